/** What the journal's entries mean in words, and what a person can do about those that are not settled. */
import type { Answers, Requests } from '../../machine/answers';
import { count, moment, typeName } from '../../ui/format';
import { wordOf } from '../../ui/words';

export type Entry = Answers['list_charges']['charges'][number];
export type State = Entry['state'];
export type Attempt = Answers['get_audit_log']['entries'][number];

export const STATES: readonly State[] = ['unknown', 'sent', 'reserved', 'succeeded', 'failed'];

const WORDS: Record<State, string> = {
  unknown: 'Unknown',
  sent: 'Under way',
  reserved: 'Not sent yet',
  succeeded: 'Charged',
  failed: 'Not charged',
};

export function stateName(state: string): string {
  return wordOf(WORDS, state);
}

const MEANINGS: Record<State, string> = {
  unknown:
    'The customer may have been charged, at most once. Until it is settled, this organization is not charged again.',
  sent: 'It may be on its way. The same idempotency key waits for the outcome.',
  reserved: 'Its amount counts in the limits. Nothing has been sent.',
  succeeded: 'The customer was charged, once. The same idempotency key gets this answer again.',
  failed: 'Nobody was charged. The same idempotency key may be sent again.',
};

/** What a state means for the customer and for the idempotency key, in a sentence. */
export function meaning({ state, late_invoice }: Pick<Entry, 'late_invoice'> & { state: string }): string {
  if (late_invoice !== undefined) return 'It was called not charged, and an invoice turned up later.';
  return wordOf(MEANINGS, state);
}

/** The state that an address names, if it is one. */
export function stateOf(text: string | undefined): State | undefined {
  return STATES.find((state) => state === text);
}

export interface Allowed {
  reconcile: boolean;
  resolve: boolean;
}

const DAY_MS = 86_400_000;

/** When an invoice that is not there will not come any more: a day after the sending. */
export function waitUntil({ sent_at, created_at }: Entry): number {
  return Date.parse(sent_at ?? created_at) + DAY_MS;
}

/** What to do about a charge whose outcome is unknown, step by step. */
export function steps(entry: Entry, allowed: Allowed, now: number): string[] {
  return [
    'Do not charge with another key.',
    ...found(entry, allowed, now),
    allowed.resolve
      ? 'Settle it here, with a note on who saw it where.'
      : 'To settle it by hand, have resolve_charge added by its own name to the service’s allowed_commands, and taken out again afterwards.',
  ];
}

const DESCRIPTION = 'Its description has the idempotency key, if the caller put it there.';

function found(entry: Entry, allowed: Allowed, now: number): string[] {
  const candidates = entry.candidates ?? [];
  if (candidates.length > 0) {
    return [
      `Several invoices fit: ${candidates.join(', ')}. See in the Viam app which one is this charge’s. ${DESCRIPTION}`,
    ];
  }
  const person = `Look for its invoice in the Viam app. ${DESCRIPTION}`;
  if (!entry.reconcilable) {
    return [`${person} Only a person can find out: the API key may not read this customer’s invoices.`];
  }
  const until = waitUntil(entry);
  return [
    `${looked(entry, now)}${allowed.reconcile ? ' You can have it look now.' : ''}`,
    now < until
      ? `${person} If there is none, wait until ${moment(until, now)}: it may still come.`
      : `${person} More than a day has passed: if there is none, it was not charged.`,
  ];
}

function looked({ checked_at }: Entry, now: number): string {
  return checked_at === undefined
    ? 'Wait: the module looks for its invoice a minute after the charge, then every hour.'
    : `No invoice fitted at ${moment(checked_at, now)}. The module looks again every hour.`;
}

/** What is known of a charge, by name; what is not known is left out. */
export function facts(entry: Answers['get_charge'], now: number): (readonly [string, string])[] {
  const time = (text: string | undefined) => text && moment(text, now);
  const all: [string, string | undefined][] = [
    ['Organization', entry.org_id],
    ['Charged by', entry.command],
    ['Key first used', time(entry.created_at)],
    ['Sent', time(entry.sent_at)],
    ['Attempts', count(entry.attempts)],
    ['Invoice', entry.invoice_id],
    ['Payment', entry.payment_status && typeName(entry.payment_status)],
    ['Invoices that fit', entry.candidates?.join(', ')],
    ['Invoice last looked for', time(entry.checked_at)],
    ['Note', entry.note],
    ['Error', entry.error && `${entry.error.code}: ${entry.error.message}`],
  ];
  return all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

/** Failed by a person's word, and an invoice came: the customer may have paid for what is called not charged. */
export function late(entries: readonly Entry[]): Entry[] {
  return entries.filter(({ late_invoice }) => late_invoice !== undefined);
}

export function total(entries: readonly Entry[]): number {
  return entries.reduce((cents, entry) => cents + Math.round(entry.total * 100), 0) / 100;
}

export interface Finding {
  outcome: Requests['resolve_charge']['outcome'] | undefined;
  invoice: string;
  note: string;
}

/**
 * The parameters of `resolve_charge`: an invoice only where it was charged, and only where it is known. Until an outcome
 * is picked it is left out, and the form cannot be sent.
 */
export function resolution(key: string, { outcome, invoice, note }: Finding): Requests['resolve_charge'] {
  const known = outcome === 'succeeded' && invoice.trim() !== '';
  return {
    idempotency_key: key,
    ...(outcome !== undefined && { outcome }),
    ...(known && { invoice_id: invoice.trim() }),
    note: note.trim(),
  } as Requests['resolve_charge'];
}

/** What became of an attempt. */
export function outcomeOf({ allowed, code }: Attempt): string {
  if (!allowed) return 'Refused';
  if (code === undefined) return 'Done';
  if (code === 'unfinished') return 'Not finished';
  if (code === 'cancelled') return 'Its caller left';
  return code === 'charge_outcome_unknown' ? 'Outcome unknown' : 'Failed';
}

/** The parameters in a line; the idempotency key is told elsewhere. */
export function parametersLine(parameters: Attempt['parameters']): string {
  return Object.entries(parameters)
    .filter(([name]) => name !== 'idempotency_key')
    .sort()
    .map(([name, value]) =>
      name === '…' ? '…' : `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    .join(', ');
}

/** So many charges are asked for, the newest ones; the unknown ones are asked for apart. */
export const MOST = 500;
