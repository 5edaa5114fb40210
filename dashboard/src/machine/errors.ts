/** What can go wrong with a question, read from whatever the SDK throws. */

export type Trouble =
  /** The module answered with one of its errors; `code` says which. */
  | 'module'
  /** The machine is there, and has no such service (yet: it may be restarting). */
  | 'no_service'
  /** The machine could not be reached, or did not answer in time. */
  | 'unreachable'
  /** The machine was reached and refuses these credentials. */
  | 'login';

/** An error of the module (`CODE: what happened. What to do.`) or of the way to it. */
export class MachineError extends Error {
  override readonly name = 'MachineError';

  constructor(
    readonly trouble: Trouble,
    /** The module's error code; for the other troubles the trouble itself. */
    readonly code: string,
    /** The message without its code. */
    readonly text: string,
    options?: ErrorOptions,
  ) {
    super(`${code}: ${text}`, options);
  }

  /** The module's configuration says no: nothing to try again. */
  get refused(): boolean {
    return this.code === 'command_not_allowed' || this.code === 'out_of_scope';
  }

  /** Trying again may help by itself. */
  get passing(): boolean {
    return this.trouble === 'unreachable' || this.trouble === 'no_service' || PASSING.has(this.code);
  }
}

const PASSING = new Set(['cloud_unreachable', 'cloud_timeout', 'cloud_rate_limited', 'cloud_error']);

// Every code of the module has an underscore; "unavailable: ..." and other texts of gRPC have none.
const CODED = /^([a-z]+(?:_[a-z]+)+): ([\s\S]+)$/;
const NO_SERVICE =
  /no node found|resource .*not (?:found|available)|resource not found|unknown service|not registered|failed to find|^not connected$/i;
const LOGIN =
  /unauthenticated|authentication|invalid credentials|permission denied|forbidden|\b401\b|\b403\b/i;

/** Reads an error by its message: over WebRTC the SDK loses the gRPC status, and the prefix is all there is. */
export function readError(thrown: unknown): MachineError {
  if (thrown instanceof MachineError) return thrown;
  const message = rawMessage(thrown);
  const coded = CODED.exec(message);
  if (coded?.[1] !== undefined && coded[2] !== undefined) {
    return new MachineError('module', coded[1], coded[2], { cause: thrown });
  }
  if (NO_SERVICE.test(message))
    return new MachineError('no_service', 'no_service', message, { cause: thrown });
  const reasons = [message, ...causes(thrown)].join('; ');
  const trouble = LOGIN.test(reasons) ? 'login' : 'unreachable';
  return new MachineError(trouble, trouble, reasons, { cause: thrown });
}

function rawMessage(thrown: unknown): string {
  if (thrown instanceof Error) {
    // ConnectError puts the status before its message, and keeps the message as it came.
    return 'rawMessage' in thrown && typeof thrown.rawMessage === 'string'
      ? thrown.rawMessage
      : thrown.message;
  }
  return String(thrown);
}

/** Dialing fails with a list of reasons, one for each way that was tried. */
function causes(thrown: unknown): string[] {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  if (Array.isArray(cause)) return cause.map(rawMessage);
  return cause === undefined ? [] : [rawMessage(cause)];
}
