/** What is known in detail, as words and cards: the key's calls, the connection, the journal, what is allowed. */
import { count, moment, money } from '../../ui/format';
import { titleOf, wordOf } from '../../ui/words';
import type { Access, Biller, Commands, Known, Status } from './health';

/** How a call of `check_access` ended, in words. */
export function outcomeName(code: string): string {
  if (code === 'ok') return 'Allowed';
  return code === 'key_lacks_permission' ? 'Not allowed' : titleOf({ code });
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
export function cards({ access, status, biller }: Known, now: number): Card[] {
  return [
    ...(access ? [keyCard(access)] : []),
    ...(status ? statusCards(status, now) : []),
    ...(biller?.billing_address ? [billerCard(biller)] : []),
  ];
}

/** Of an organization that bills others under its own name. */
function billerCard({
  billing_address: address,
  support_email,
  logo_url,
  billing_dashboard_url,
}: Biller): Card {
  return {
    title: 'White-labelled billing',
    facts: [
      ...(address ? [['Address', `${address.address_line_1}, ${address.city}`] as const] : []),
      ['Support e-mail', support_email || 'none'],
      ['Logo', logo_url || 'none'],
      ...(billing_dashboard_url ? [['Customers’ page', billing_dashboard_url] as const] : []),
    ],
  };
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
  const effects = new Set([...Object.keys(GROUPS), ...Object.values(commands).map(({ effect }) => effect)]);
  return [...effects].flatMap((effect) => {
    const names = Object.keys(commands)
      .filter((name) => commands[name]?.effect === effect)
      .sort();
    const allowed = names.filter((name) => commands[name]?.allowed);
    return names.length === 0
      ? []
      : [
          {
            title: wordOf(GROUPS, effect),
            allowed,
            refused: names.filter((name) => !allowed.includes(name)),
          },
        ];
  });
}
