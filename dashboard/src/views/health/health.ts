/** What is wrong with the service, in words that say what to do; pure, from what it answers. */
import type { Answers, Command } from '../../machine/answers';
import type { MachineError } from '../../machine/errors';
import { count } from '../../ui/format';
import { staleReason, titleOf } from '../../ui/words';

export type Access = Answers['check_access'];
export type Status = Answers['get_status'];
export type Commands = Answers['help']['commands'];
export type Biller = Answers['get_billing_service_config'];

export interface Problem {
  tone: 'bad' | 'warn' | 'plain';
  title: string;
  /** What to do. */
  todo: string;
  /** A view where more is to be seen, and the link's words. */
  link?: readonly [view: string, text: string];
}

export interface Known {
  access?: Access | undefined;
  accessError?: MachineError | undefined;
  status?: Status | undefined;
  statusError?: MachineError | undefined;
  biller?: Biller | undefined;
  commands?: Commands | undefined;
}

/** What is wrong, the worst first. */
export function problems({ access, accessError, status, statusError, commands }: Known): Problem[] {
  const found = [
    ...(accessError?.trouble === 'module' ? [failed(accessError)] : []),
    // An older module does not know the command, and its figures are left out.
    ...(statusError?.trouble === 'module' && statusError.code !== 'unknown_command'
      ? [failed(statusError)]
      : []),
    ...(access && accessError === undefined ? ofAccess(access) : []),
    ...(status ? ofCharges(status, commands) : []),
  ];
  if (!access && !accessError && status?.connected === false) found.push(notConnected(status));
  return found.sort((one, other) => TONES.indexOf(one.tone) - TONES.indexOf(other.tone));
}

const TONES: readonly Problem['tone'][] = ['bad', 'warn', 'plain'];

function failed(error: MachineError): Problem {
  return { tone: 'bad', title: titleOf(error), todo: error.text };
}

function ofAccess({ authenticated, calls }: Access): Problem[] {
  const codes = new Map<string, string[]>();
  for (const [call, code] of Object.entries(calls)) {
    if (code !== 'ok') codes.set(code, [...(codes.get(code) ?? []), call]);
  }
  if (authenticated === false) return [REJECTED];
  if (authenticated === undefined) {
    const away = [...codes.keys()].find((code) => code.startsWith('cloud_'));
    if (away !== undefined) return [cloudAway(away)];
  }
  const all = Object.keys(calls).length;
  return [...codes].map(([code, names]) => ofCode(code, names, all));
}

const REJECTED: Problem = {
  tone: 'bad',
  title: 'Viam rejects the API key',
  todo:
    'It does not fit its ID, has a character too many or too few, or was deleted. Make a new organization owner’s key in the ' +
    'Viam app and set api_key and api_key_id. If app_address is set, check that the key belongs to that cloud.',
};

function cloudAway(code: string): Problem {
  return {
    tone: 'warn',
    title: staleReason(code),
    todo: 'Nothing is known of the key, and the figures are the newest known. See to the machine’s network; the module goes on trying by itself.',
  };
}

function ofCode(code: string, names: readonly string[], all: number): Problem {
  const list = names.join(', ');
  switch (code) {
    case 'key_lacks_permission':
      return {
        tone: 'bad',
        title: `The API key may not make ${count(names.length)} of ${count(all)} calls`,
        todo: `Set an organization owner’s key: api_key and api_key_id. Most often none is set, and the machine’s own is used. Refused: ${list}.`,
      };
    case 'not_configured':
      return {
        tone: 'warn',
        title: 'No organization or location is known',
        todo: `Set the attributes org_id and location_id. Not asked: ${list}.`,
      };
    case 'cloud_unimplemented':
      return {
        tone: 'warn',
        title: 'This cloud does not know every call',
        todo: `Check app_address, and update the module. Unknown there: ${list}.`,
      };
    default:
      return {
        tone: 'warn',
        title: `${count(names.length)} of ${count(all)} calls failed`,
        todo: `Check again in a few minutes. ${code}: ${list}.`,
      };
  }
}

const CHARGES: readonly Command[] = ['charge_organization', 'create_invoice_and_charge_immediately'];

function ofCharges(status: Status, commands: Commands | undefined): Problem[] {
  const may = (name: Command) => commands?.[name]?.allowed === true;
  const unknown = status.unknown_charges;
  const found: Problem[] = [];
  if (unknown === undefined && CHARGES.some(may)) {
    found.push({
      tone: 'bad',
      title: 'The charge journal cannot be read',
      todo: 'Nothing is charged until it can. Put the folder of the attribute state_dir right.',
      ...(may('list_charges') && { link: ['charges', 'Charges say why'] as const }),
    });
  }
  if (unknown !== undefined && unknown > 0) {
    found.push({
      tone: 'bad',
      title: `${count(unknown)} ${unknown === 1 ? 'charge has' : 'charges have'} an unknown outcome`,
      todo: 'The customer may have been charged, and is not charged again before it is settled.',
      ...(may('list_charges') && { link: ['charges', 'What to do'] as const }),
    });
  }
  if (unknown === 0 && may('resolve_charge')) {
    found.push({
      tone: 'plain',
      title: 'resolve_charge is allowed, and there is nothing to settle',
      todo: 'Take it out of allowed_commands until it is needed.',
    });
  }
  return found;
}

function notConnected({ last_error }: Status): Problem {
  return {
    tone: last_error === undefined ? 'plain' : 'warn',
    title: 'Not connected to Viam’s cloud',
    todo: last_error ?? 'The module connects when something is asked that needs the cloud.',
  };
}
