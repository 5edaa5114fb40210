import { expect, test } from 'vitest';
import {
  bytesOf,
  datesOf,
  daysOverdue,
  failureOf,
  fileName,
  markOf,
  ordered,
  statuses,
  type Invoice,
} from '../src/views/invoices/invoices';

const NOW = Date.parse('2026-11-21T12:00:00Z');

function invoice(id: string, changes: Partial<Invoice> = {}): Invoice {
  return {
    id,
    invoice_amount: 100,
    status: 'outstanding',
    last_payment_failure_reason: '',
    invoice_date: '2026-11-01T00:00:00Z',
    due_date: '2026-12-01T00:00:00Z',
    ...changes,
  };
}

const LATE = { due_date: '2026-11-20T12:00:00Z' };
const FAILED = { last_payment_failure_reason: 'card_declined' };
const ids = (invoices: Invoice[]) => invoices.map(({ id }) => id);

test('failed payments come first, then the overdue ones by age, then the others by date', () => {
  const list = [
    invoice('undated', { invoice_date: '' }),
    invoice('older', { invoice_date: '2026-10-01T00:00:00Z' }),
    invoice('newer'),
    invoice('late', LATE),
    invoice('later', { due_date: '2026-08-01T00:00:00Z' }),
    invoice('failed', FAILED),
  ];
  expect(ids(ordered(list, NOW))).toEqual(['failed', 'later', 'late', 'newer', 'older', 'undated']);
});

test('an invoice that is listed twice is one row', () => {
  expect(ids(ordered([invoice('a'), invoice('b'), invoice('a')], NOW))).toEqual(['a', 'b']);
});

test('a credit note is no debt: neither overdue nor failed, whatever else it says', () => {
  const credit = invoice('credit', { invoice_amount: -20, ...LATE, ...FAILED });
  expect(daysOverdue(credit, NOW)).toBe(0);
  expect(failureOf(credit)).toBeUndefined();
  expect(markOf(credit, NOW)).toEqual({ word: 'Credit note', tone: 'plain' });
  expect(datesOf(credit, NOW)).not.toMatch(/due/);
  expect(ids(ordered([credit, invoice('late', LATE)], NOW))).toEqual(['late', 'credit']);
});

test('what is paid is not overdue, and why it failed once matters no more', () => {
  const paid = invoice('paid', { status: 'paid', paid_date: '2026-11-21T00:00:00Z', ...LATE, ...FAILED });
  expect(daysOverdue(paid, NOW)).toBe(0);
  expect(failureOf(paid)).toBeUndefined();
  expect(markOf(paid, NOW)).toEqual({ word: 'Paid', tone: 'good' });
  expect(datesOf(paid, NOW)).toMatch(/paid .*2026$/);
});

test('days overdue are counted as the parts of aging are: the 30th day is still in the first', () => {
  const due = (time: string) => daysOverdue(invoice('a', { due_date: time }), NOW);
  expect(due('2026-11-21T12:00:00Z')).toBe(0);
  expect(due('2026-11-21T11:59:59Z')).toBe(1);
  expect(due('2026-10-22T12:00:00Z')).toBe(30);
  expect(due('2026-10-22T11:59:59Z')).toBe(31);
});

test('marks and dates say what is the matter; unknown dates are left out', () => {
  expect(markOf(invoice('a', { ...LATE, ...FAILED }), NOW).word).toBe('Payment failed');
  expect(markOf(invoice('a', LATE), NOW)).toEqual({ word: 'Overdue', tone: 'bad' });
  expect(markOf(invoice('a'), NOW)).toEqual({ word: 'Outstanding', tone: 'plain' });
  expect(markOf(invoice('a', { status: 'written_off' }), NOW).word).toBe('Written off');
  expect(datesOf(invoice('a', LATE), NOW)).toMatch(/due .*, 1 day overdue$/);
  expect(datesOf(invoice('a', { invoice_date: 'soon', due_date: '' }), NOW)).toBe('');
  expect(failureOf(invoice('a', FAILED))).toBe('Payment failed: card_declined');
  expect(failureOf(invoice('a', { ...FAILED, last_payment_failure_at: '2026-11-03T09:00:00Z' }))).toMatch(
    /^Payment failed on .*2026: card_declined$/,
  );
});

test('statuses to choose from are the known ones and any other that is named', () => {
  expect(statuses([invoice('a')], undefined)).toEqual(['outstanding', 'payment_processing', 'paid']);
  expect(statuses([invoice('a', { status: 'written_off' })], 'void').slice(3)).toEqual([
    'written_off',
    'void',
  ]);
});

test('an ID becomes a file name without folders and signs', () => {
  expect(fileName('FW-0001')).toBe('invoice-FW-0001.pdf');
  expect(fileName('../a/b?c')).toBe('invoice-.._a_b_c.pdf');
});

test('base64 becomes the same bytes, and what is none throws', () => {
  expect([...bytesOf('JVBERv8A')]).toEqual([0x25, 0x50, 0x44, 0x46, 0xff, 0]);
  expect(() => bytesOf('%')).toThrow();
});
