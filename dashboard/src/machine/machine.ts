/** Asks the module: one command, its answer's type, a time-out, and a new connection where the old one is lost. */
import type { Answers, Command, Requests } from './answers';
import { MachineError, readError } from './errors';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A connection that stands. */
export interface Link {
  ask(request: Record<string, Json>, timeoutMs: number): Promise<unknown>;
  close(): void;
  onLost(listener: () => void): void;
}

/** `connecting` until the first answer or failure, `away` while the machine cannot be reached. */
export type Reach = 'connecting' | 'there' | 'away';

/** How long a command may take, in milliseconds; a little more than the module itself allows it. */
const TIMEOUT_MS = 25_000;
const TIMEOUTS_MS: Partial<Record<Command, number>> = {
  get_fleet_usage: 90_000,
  get_invoice_pdf: 90_000,
  reconcile_charges: 120_000,
  check_access: 60_000,
};

/** After so long without an answer a connection may be dead without knowing it: a laptop has slept. */
const DOUBTFUL_MS = 90_000;
const PROBE_MS = 4_000;

export class Machine {
  reach: Reach = 'connecting';
  #link: Promise<Link> | undefined;
  #open: Link | undefined;
  #heardAt = 0;
  readonly #listeners = new Set<(reach: Reach) => void>();

  constructor(
    private readonly dial: () => Promise<Link>,
    private readonly now: () => number = Date.now,
  ) {}

  /** The module's answer to one command. @throws MachineError */
  async ask<C extends Command>(command: C, parameters: Requests[C]): Promise<Answers[C]> {
    if (this.#open && this.now() - this.#heardAt > DOUBTFUL_MS) {
      await this.#try('help', { name: 'help' }, PROBE_MS).catch(() => undefined);
    }
    return (await this.#try(command, parameters, TIMEOUTS_MS[command] ?? TIMEOUT_MS)) as Answers[C];
  }

  /** Tells of each change of `reach`; the result ends that. */
  onReach(listener: (reach: Reach) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    if (this.#link) this.#forget(this.#link);
  }

  async #try(command: string, parameters: object, timeoutMs: number): Promise<unknown> {
    const link = (this.#link ??= this.#connect());
    try {
      const answer = await within(timeoutMs + 1_000, this.#send(link, command, parameters, timeoutMs));
      this.#heard();
      return answer;
    } catch (thrown) {
      const error = readError(thrown);
      if (error.trouble === 'unreachable' || error.trouble === 'login') this.#drop(link);
      else this.#heard();
      throw error;
    }
  }

  #heard(): void {
    this.#heardAt = this.now();
    this.#set('there');
  }

  async #send(link: Promise<Link>, command: string, parameters: object, timeoutMs: number): Promise<unknown> {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined) as [string, Json][];
    const answer = await (await link).ask({ [command]: Object.fromEntries(given) }, timeoutMs);
    if (typeof answer === 'object' && answer !== null && command in answer) {
      return (answer as Record<string, unknown>)[command];
    }
    throw new MachineError(
      'no_service',
      'no_service',
      'The service of this name is not the billing service.',
    );
  }

  async #connect(): Promise<Link> {
    const link = await this.dial();
    link.onLost(() => {
      if (this.#open === link) this.#drop(this.#link);
    });
    this.#open = link;
    this.#heardAt = this.now();
    return link;
  }

  /** The next question connects anew. */
  #drop(link: Promise<Link> | undefined): void {
    // A question of an older connection says nothing of the one that took its place.
    if (link === undefined || link !== this.#link) return;
    this.#forget(link);
    this.#set('away');
  }

  #forget(link: Promise<Link>): void {
    this.#link = undefined;
    this.#open = undefined;
    link.then(
      (open) => {
        open.close();
      },
      () => undefined,
    );
  }

  #set(reach: Reach): void {
    if (this.reach === reach) return;
    this.reach = reach;
    for (const listener of this.#listeners) listener(reach);
  }
}

/** Ends a wait that the SDK would not: over WebRTC an answer can be lost without an error. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new MachineError('unreachable', 'unreachable', 'The machine did not answer in time.'));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
