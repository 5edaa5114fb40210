/** Figures of the month as the charts need them; pure, in days of UTC. */
import type { Answers } from '../../machine/answers';

type Usage = Answers['get_location_usage'];
type Point = Answers['get_usage_history']['points'][number];

const DAY_MS = 86_400_000;

export interface Span {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
}

/** From when to when the month runs; where the answer does not say, the calendar month of UTC. */
export function monthOf(usage: Partial<Pick<Usage, 'start_date' | 'end_date' | 'as_of'>>, now: number): Span {
  const seen = usage.as_of === undefined ? now : Date.parse(usage.as_of);
  const at = new Date(seen);
  const first = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
  const next = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
  const start = usage.start_date === undefined ? NaN : Date.parse(usage.start_date);
  const end = usage.end_date === undefined ? NaN : Date.parse(usage.end_date);
  return {
    start: start <= seen && seen - start < 62 * DAY_MS ? start : first,
    // An end that is not after the figures means "counted until here".
    end: end - seen > DAY_MS && end - seen < 62 * DAY_MS ? end : next,
  };
}

/** A time of the month before this one. */
export function monthBefore({ start }: Span): number {
  return start - 15 * DAY_MS;
}

/** Since when the history is asked: the month and a little before, by the reader's own clock. */
export function historySince(now: number): string {
  const at = new Date(now);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 0)).toISOString();
}

export interface Seen {
  readonly time: number;
  readonly cost: number;
}

/** The cost to date over the days, from 0 at the month's start to the newest figure. */
export function costLine(points: readonly Point[], usage: Usage, { start, end }: Span): Seen[] {
  const seen = points
    .map(({ time, month_to_date: cost }) => ({ time: Date.parse(time), cost }))
    .filter(({ time }) => time > start && time <= end);
  const line = [{ time: start, cost: 0 }, ...seen];
  const now = Date.parse(usage.as_of);
  const last = line.at(-1);
  if (last && now > last.time) line.push({ time: now, cost: usage.month_to_date });
  return line;
}

/** As many kinds of usage as have a colour of their own; what is left is one more. */
export const KINDS = 4;
export const OTHERS = 'others';

/** The kinds that cost most, the largest first. */
export function largestKinds(costs: Readonly<Record<string, number>>): string[] {
  return ranked(costs)
    .slice(0, KINDS)
    .map(([type]) => type);
}

/** All kinds that cost anything, the largest first. */
export function ranked(costs: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(costs)
    .filter(([, cost]) => cost !== 0)
    .sort(([one, a], [other, b]) => b - a || one.localeCompare(other));
}

export interface Day {
  /** Midnight of UTC, milliseconds. */
  readonly day: number;
  readonly total: number;
  /** Dollars by kind, those without a colour together as `others`; a day that is not known by kind has those alone. */
  readonly parts: Readonly<Record<string, number>>;
}

/** What each day of the month has cost, by kind; days of which that is not known are left out. */
export function days(points: readonly Point[], kinds: readonly string[], { start, end }: Span): Day[] {
  return points.flatMap(({ time, delta, delta_by_type: byType }) => {
    const at = Date.parse(time);
    if (delta === undefined || at <= start || at > end) return [];
    const parts: Record<string, number> = Object.fromEntries(
      byType ? kinds.map((kind) => [kind, byType[kind] ?? 0]) : [],
    );
    const named = kinds.reduce((sum, kind) => sum + (parts[kind] ?? 0), 0);
    // Discounts and what is not known by kind are in the day's total alone.
    parts[OTHERS] = Math.round((delta - named) * 100) / 100;
    return [{ day: Math.floor((at - 1) / DAY_MS) * DAY_MS, total: delta, parts }];
  });
}

/** Each midnight of UTC from the month's start to its end. */
export function midnights({ start, end }: Span): number[] {
  const first = Math.floor(start / DAY_MS) * DAY_MS;
  return Array.from({ length: Math.max(Math.ceil((end - first) / DAY_MS), 1) }, (_, n) => first + n * DAY_MS);
}

/** The scale of a budget's gauge: how many budgets it shows, at least one. */
export function gaugeEnd(used: number, projected: number | undefined): number {
  return Math.max(1, used, projected ?? 0) * (Math.max(used, projected ?? 0) > 1 ? 1.05 : 1);
}
