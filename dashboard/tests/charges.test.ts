import { expect, test } from 'vitest';
import {
  facts,
  late,
  meaning,
  outcomeOf,
  parametersLine,
  resolution,
  stateName,
  stateOf,
  steps,
  total,
  waitUntil,
  type Entry,
} from '../src/views/charges/charges';

const SENT = Date.parse('2026-11-21T12:00:00Z');
const HOUR = 3_600_000;
const UNKNOWN: Entry = {
  idempotency_key: 'job-7',
  command: 'charge_organization',
  state: 'unknown',
  org_id: 'o',
  total: 12.5,
  created_at: '2026-11-21T11:59:59Z',
  sent_at: '2026-11-21T12:00:00Z',
  attempts: 1,
  reconcilable: true,
  checked_at: '2026-11-21T12:01:00Z',
};
const ALL = { reconcile: true, resolve: true };

test('a state that this page does not know is told by its name', () => {
  expect(stateName('refunded_later')).toBe('Refunded later');
  expect(meaning({ state: 'refunded_later' })).toBe('Refunded later');
});

test('what to do begins with not charging again and ends with who may settle it', () => {
  const may = steps(UNKNOWN, ALL, SENT + HOUR);
  const mayNot = steps(UNKNOWN, { ...ALL, resolve: false }, SENT + HOUR);
  expect(may[0]).toMatch(/not charge with another key/);
  expect(may.at(-1)).toMatch(/^Settle it here/);
  expect(mayNot.at(-1)).toMatch(/resolve_charge .*allowed_commands.*taken out again/);
});

test('a lookup is offered only where it is allowed and can find something', () => {
  const says = (entry: Entry, reconcile: boolean) =>
    steps(entry, { ...ALL, reconcile }, SENT + HOUR).join(' ');
  expect(says(UNKNOWN, true)).toContain('look now');
  expect(says(UNKNOWN, false)).not.toContain('look now');
  expect(says({ ...UNKNOWN, reconcilable: false }, true)).toContain('may not read this customer’s invoices');
  expect(says({ ...UNKNOWN, reconcilable: false }, true)).not.toContain('look now');
});

test('several invoices are named', () => {
  const text = steps({ ...UNKNOWN, candidates: ['in_1', 'in_2'] }, ALL, SENT + HOUR).join(' ');
  expect(text).toContain('in_1, in_2');
});

test('that there is no invoice counts a day after the sending, not before', () => {
  expect(waitUntil(UNKNOWN)).toBe(SENT + 24 * HOUR);
  expect(steps(UNKNOWN, ALL, SENT + 23 * HOUR).join(' ')).toContain('it may still come');
  expect(steps(UNKNOWN, ALL, SENT + 25 * HOUR).join(' ')).toContain('it was not charged');
});

test('an invoice is sent only where it was charged and is known; spaces are no part of it', () => {
  const finding = { invoice: ' in_1 ', note: ' Kim saw it ' };
  expect(resolution('job-7', { ...finding, outcome: 'succeeded' })).toEqual({
    idempotency_key: 'job-7',
    outcome: 'succeeded',
    invoice_id: 'in_1',
    note: 'Kim saw it',
  });
  expect(resolution('job-7', { ...finding, outcome: 'failed' })).not.toHaveProperty('invoice_id');
  expect(resolution('job-7', { ...finding, invoice: '  ', outcome: 'succeeded' })).not.toHaveProperty(
    'invoice_id',
  );
  expect(resolution('job-7', { ...finding, outcome: undefined })).not.toHaveProperty('outcome');
});

test('sums are whole cents', () => {
  expect(total([0.1, 0.2, 36.75].map((each) => ({ ...UNKNOWN, total: each })))).toBe(37.05);
});

test('an invoice that came late needs a person too', () => {
  const came: Entry = { ...UNKNOWN, state: 'failed', late_invoice: 'in_9' };
  expect(late([UNKNOWN, came, { ...UNKNOWN, state: 'failed' }])).toEqual([came]);
});

test('an address can name a state, and nothing else', () => {
  expect(stateOf('failed')).toBe('failed');
  expect(stateOf('lost')).toBeUndefined();
});

const ATTEMPT = {
  time: '2026-11-21T12:00:00Z',
  command: 'charge_organization',
  parameters: {},
  allowed: true,
};

test.each([
  [{}, 'Done'],
  [{ allowed: false, code: 'command_not_allowed' }, 'Refused'],
  [{ code: 'charge_limit_exceeded' }, 'Failed'],
  [{ code: 'charge_outcome_unknown' }, 'Outcome unknown'],
  [{ code: 'unfinished' }, 'Not finished'],
  [{ code: 'cancelled' }, 'Its caller left'],
])('what became of an attempt: %o', (more, expected) => {
  expect(outcomeOf({ ...ATTEMPT, ...more })).toBe(expected);
});

test('parameters fit into a line, in one order, without the key, and tell that some are left out', () => {
  expect(parametersLine({ subtotal: 5, idempotency_key: 'job-7', description: 'Hall 4', '…': '…' })).toBe(
    'description: Hall 4, subtotal: 5, …',
  );
});

test('facts that are not known are left out', () => {
  const names = facts({ ...UNKNOWN, note: 'Kim' }, SENT).map(([name]) => name);
  expect(names).toContain('Note');
  expect(names).not.toContain('Invoice');
  expect(facts({ ...UNKNOWN, payment_status: 'payment_processing' }, SENT)).toContainEqual([
    'Payment',
    'Payment processing',
  ]);
});
