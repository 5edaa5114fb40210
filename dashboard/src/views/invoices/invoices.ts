/** What invoices mean in words, which come first, and their PDFs as bytes; pure. */
import type { Answers } from '../../machine/answers';
import { count, typeName, utcDay } from '../../ui/format';

export type Summary = Answers['get_invoices_summary'];
export type Invoice = Summary['invoices'][number];

const DAY_MS = 86_400_000;

/** So many rows are shown at first, and more by as many. */
export const ROWS = 100;

/** The parts of `aging` in words, in the order of time. */
export const AGES: readonly (readonly [keyof Summary['aging'], string])[] = [
  ['not_due', 'Not due yet'],
  ['days_1_30', '1 to 30 days'],
  ['days_31_60', '31 to 60 days'],
  ['days_61_90', '61 to 90 days'],
  ['over_90', 'Over 90 days'],
];

/** Whether it is to be paid: a credit note is not, whatever its status. */
export function isDebt({ status, invoice_amount: amount }: Invoice): boolean {
  return status === 'outstanding' && amount > 0;
}

/** For how many days, begun ones too, a debt is past its due date; 0 for all else. */
export function daysOverdue(invoice: Invoice, now: number): number {
  const late = now - timeOf(invoice.due_date);
  return isDebt(invoice) && late > 0 ? Math.ceil(late / DAY_MS) : 0;
}

/** Whether the last try to be paid failed, and it is still owed. */
export function hasFailed(invoice: Invoice): boolean {
  return isDebt(invoice) && invoice.last_payment_failure_reason !== '';
}

/** Each once: failed payments first, then the overdue ones, the oldest debt first; then the others, newest first. */
export function ordered(invoices: readonly Invoice[], now: number): Invoice[] {
  const rows = [...new Map(invoices.map((invoice) => [invoice.id, invoice])).values()].map((invoice) => {
    const days = daysOverdue(invoice, now);
    const date = timeOf(invoice.invoice_date);
    return {
      invoice,
      rank: hasFailed(invoice) ? 2 : Math.sign(days),
      days,
      date: Number.isNaN(date) ? -Infinity : date,
    };
  });
  rows.sort((a, b) => b.rank - a.rank || b.days - a.days || compare(b.date, a.date));
  return rows.map(({ invoice }) => invoice);
}

/** Without the difference, which of two that are not dated is no number. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

export interface Mark {
  readonly word: string;
  readonly tone: 'bad' | 'good' | 'plain';
}

/** An invoice's state in a word or two. */
export function markOf(invoice: Invoice, now: number): Mark {
  if (hasFailed(invoice)) return { word: 'Payment failed', tone: 'bad' };
  if (daysOverdue(invoice, now) > 0) return { word: 'Overdue', tone: 'bad' };
  if (invoice.invoice_amount < 0) return { word: 'Credit note', tone: 'plain' };
  return { word: typeName(invoice.status), tone: invoice.status === 'paid' ? 'good' : 'plain' };
}

/** Its dates in a line; those that are not known are left out. */
export function datesOf(invoice: Invoice, now: number): string {
  const days = daysOverdue(invoice, now);
  const late = days > 0 && `${count(days)} ${days === 1 ? 'day' : 'days'} overdue`;
  const parts = [
    dayOf(invoice.invoice_date),
    isDebt(invoice) && dayOf(invoice.due_date, 'due '),
    late,
    dayOf(invoice.paid_date, 'paid '),
  ];
  return parts.filter((part) => part !== false && part !== undefined).join(', ');
}

/** Why its last payment failed, and when; undefined where that matters no more. */
export function failureOf(invoice: Invoice): string | undefined {
  if (!hasFailed(invoice)) return undefined;
  const day = dayOf(invoice.last_payment_failure_at, ' on ') ?? '';
  return `Payment failed${day}: ${invoice.last_payment_failure_reason}`;
}

function dayOf(time: string | undefined, before = ''): string | undefined {
  const at = timeOf(time);
  return Number.isNaN(at) ? undefined : before + utcDay(at, { year: true });
}

function timeOf(time: string | undefined): number {
  return time === undefined ? NaN : Date.parse(time);
}

const STATUSES = ['outstanding', 'payment_processing', 'paid'];

/** What can be chosen from: the known statuses, and any other that the cloud or the address names. */
export function statuses(invoices: readonly Invoice[], chosen: string | undefined): string[] {
  const all = new Set([...STATUSES, ...invoices.map(({ status }) => status)]);
  if (chosen !== undefined) all.add(chosen);
  return [...all];
}

/** A name for the file that every system takes. */
export function fileName(id: string): string {
  return `invoice-${id.replace(/[^\w.-]+/g, '_').slice(0, 100)}.pdf`;
}

/** @throws DOMException for what is no base64 */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
