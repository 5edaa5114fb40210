/** What is wrong with the service, in words that say what to do; pure, from what it answers. */
import type { Answers, Command } from '../../machine/answers';
import type { MachineError } from '../../machine/errors';
import { count, moment, money } from '../../ui/format';
import { staleReason, titleOf } from '../../ui/words';

export type Access = Answers['check_access'];
export type Status = Answers['get_status'];
export type Commands = Answers['help']['commands'];

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
  commands?: Commands | undefined;
}

/** Neither an answer nor an error so far; a question that is not asked is not waited for. */
export function isWaiting(question: { answer?: unknown; error?: unknown } | undefined): boolean {
  return question !== undefined && question.answer === undefined && question.error === undefined;
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

const OUTCOMES: Record<string, string> = {
  ok: 'Allowed',
  key_lacks_permission: 'Not allowed',
  key_rejected: 'Key rejected',
  not_configured: 'Not configured',
  cloud_unreachable: 'Cloud away',
  cloud_timeout: 'No answer in time',
  cloud_rate_limited: 'Too many calls',
  cloud_unimplemented: 'Not known there',
};

/** How a call of `check_access` ended, in words; a code that has none stands for itself. */
export function outcomeName(code: string): string {
  return OUTCOMES[code] ?? code;
}

export function keyName(access: Access | undefined): string {
  if (access?.authenticated === undefined) return 'Not known';
  return access.authenticated ? 'Accepted' : 'Rejected';
}

/** How many of the calls the key may make; undefined where the cloud did not say. */
export function callsAllowed(
  access: Access | undefined,
): readonly [allowed: number, all: number] | undefined {
  if (access?.authenticated === undefined) return undefined;
  const codes = Object.values(access.calls);
  return [codes.filter((code) => code === 'ok').length, codes.length];
}

export interface Card {
  title: string;
  note?: string;
  /** Names and values; true: good, false: bad. */
  facts: readonly (readonly [name: string, value: string, good?: boolean])[];
}

/** What is known in detail; what is not known is left out. */
export function cards({ access, status }: Known, now: number): Card[] {
  return [...(access ? [keyCard(access)] : []), ...(status ? statusCards(status, now) : [])];
}

function keyCard({ calls, api_key_id, app_address }: Access): Card {
  const outcomes = Object.entries(calls).sort();
  return {
    title: 'What the key may read',
    facts: [
      ...outcomes.map(([call, code]) => [call, outcomeName(code), code === 'ok'] as const),
      ['Key’s ID', api_key_id],
      ['Address', app_address],
    ],
  };
}

function statusCards(status: Status, now: number): Card[] {
  const { journal, last_success: success, unknown_charges: unknown, charged_last_24h: charged } = status;
  const connection: Card = {
    title: 'Connection',
    note: 'since the service started',
    facts: [
      ['Last answer', success === undefined ? 'none yet' : moment(success, now)],
      ['Last error', status.last_error ?? 'none'],
      ['Calls to the cloud', count(status.cloud_calls)],
      ['Logins', count(status.logins)],
      ['Calls repeated', count(status.retries)],
      ['Answered from memory', count(status.cache_hits)],
      ['Not in memory', count(status.cache_misses)],
      ['Older answers stood in', count(status.stale_answers)],
    ],
  };
  if (!journal) return [connection];
  const facts: Card['facts'] = [
    ['ID', journal.id],
    ['Made', moment(journal.created, now)],
    ['Charges ever made', count(journal.entries)],
    ...(unknown === undefined ? [] : [['Outcome unknown', count(unknown), unknown === 0] as const]),
    ...(charged === undefined ? [] : [['Counts towards the day’s limit', money(charged)] as const]),
  ];
  return [connection, { title: 'Charge journal', facts }];
}

const GROUPS: Record<Commands[string]['effect'], string> = {
  read: 'Read',
  notify: 'Notify',
  change: 'Change',
  charge: 'Charge',
  by_name: 'Only by name',
  always: 'Always',
};

export interface Group {
  title: string;
  allowed: string[];
  refused: string[];
}

/** The commands by what they do, and of each group those that are allowed and those that are not. */
export function groups(commands: Commands): Group[] {
  return Object.entries(GROUPS).flatMap(([effect, title]) => {
    const names = Object.keys(commands)
      .filter((name) => commands[name]?.effect === effect)
      .sort();
    const allowed = names.filter((name) => commands[name]?.allowed);
    return names.length === 0
      ? []
      : [{ title, allowed, refused: names.filter((name) => !allowed.includes(name)) }];
  });
}
