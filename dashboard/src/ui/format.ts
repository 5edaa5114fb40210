/** Money, dates and names as the browser's locale writes them. Billing days are days of UTC, and say so. */

// To make one takes longer than all that it is then used for.
const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function kept<T extends Intl.NumberFormat | Intl.DateTimeFormat>(
  Format: new (locale: string | undefined, options: object) => T,
  locale: string | undefined,
  options: object,
): T {
  const name = JSON.stringify([Format.name, locale, options]);
  const format = (made.get(name) as T | undefined) ?? new Format(locale, options);
  made.set(name, format);
  return format;
}

/** Money as people read it: `$1,926.10`. */
export function money(
  dollars: number,
  { short = false, round = false, sign = false, locale }: MoneyOptions = {},
): string {
  const whole = (round && (dollars === 0 || Math.abs(dollars) >= 1)) || (short && Math.abs(dollars) >= 1_000);
  return kept(Intl.NumberFormat, locale, {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: whole ? 0 : 2,
    maximumFractionDigits: whole ? 0 : 2,
    signDisplay: sign ? 'exceptZero' : 'auto',
  }).format(dollars);
}

export interface MoneyOptions {
  /** No cents from $1,000 on. */
  short?: boolean;
  /** No cents, except where they are all there is. */
  round?: boolean;
  /** A plus before what is above 0. */
  sign?: boolean;
  /** By default the browser's. */
  locale?: string;
}

/** A fraction of 1 in per cent; with `sign` as a change. */
export function percent(
  fraction: number,
  { sign = false, locale }: Omit<MoneyOptions, 'short'> = {},
): string {
  return kept(Intl.NumberFormat, locale, {
    style: 'percent',
    maximumFractionDigits: Math.abs(fraction) < 0.1 ? 1 : 0,
    signDisplay: sign ? 'exceptZero' : 'auto',
  }).format(fraction);
}

export function count(number: number, locale?: string): string {
  return kept(Intl.NumberFormat, locale, {}).format(number);
}

/** A day of UTC, such as `Nov 21`; days of billing are UTC's. */
export function utcDay(time: string | number | Date, { locale, year = false }: DayOptions = {}): string {
  return kept(Intl.DateTimeFormat, locale, {
    day: 'numeric',
    month: 'short',
    ...(year && { year: 'numeric' }),
    timeZone: 'UTC',
  }).format(new Date(time));
}

export interface DayOptions {
  locale?: string;
  year?: boolean;
}

/** A month of UTC by its name, such as `November`. */
export function utcMonth(time: string | number | Date, locale?: string): string {
  return kept(Intl.DateTimeFormat, locale, { month: 'long', timeZone: 'UTC' }).format(new Date(time));
}

/** A moment in the reader's own time zone; without the day where it is today. */
export function moment(time: string | number | Date, now: number = Date.now(), locale?: string): string {
  const date = new Date(time);
  const today = date.toDateString() === new Date(now).toDateString();
  return kept(
    Intl.DateTimeFormat,
    locale,
    today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' },
  ).format(date);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** How long ago: `3 minutes ago`. Below a minute, `now`. */
export function ago(time: string | number | Date, now: number = Date.now(), locale?: string): string {
  const passed = new Date(time).getTime() - now;
  const words = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  for (const [unit, ms] of STEPS) {
    if (Math.abs(passed) >= ms) return words.format(Math.trunc(passed / ms), unit);
  }
  return words.format(0, 'second');
}

/** A kind of usage in words: `binary_data_upload` is `Binary data upload`. */
export function typeName(type: string): string {
  const words = type.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
