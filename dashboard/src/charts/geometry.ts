/** Shapes of charts from figures: scales, paths, stacks. No drawing. */
import { money } from '../ui/format';

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/** Round values of y that hold these and 0. */
function marksOf(values: readonly number[]): number[] {
  return roundMarks(Math.min(...values, 0), Math.max(...values, 0));
}

/** A mark's label. */
export function labelOf(mark: number): string {
  return money(mark, { round: true });
}

/** The pixels at the left that the labels of these values' marks need. */
export function roomOf(values: readonly number[]): number {
  return Math.max(60, ...marksOf(values).map((mark) => 12 + 8 * labelOf(mark).length));
}

/** From values to pixels. */
export type Scale = (value: number) => number;

export function linear(
  [from, to]: readonly [number, number],
  [start, end]: readonly [number, number],
): Scale {
  return (value) => start + ((value - from) / (to - from || 1)) * (end - start);
}

/** About four round values that hold both ends between them, rising. */
export function roundMarks(least: number, most: number): number[] {
  const about = Math.max(most - least, 0.01) / 4;
  const power = 10 ** Math.floor(Math.log10(about));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= about * 0.7) ?? 10);
  const first = Math.floor(least / step);
  return Array.from({ length: Math.ceil(most / step) - first + 1 }, (_, n) => (first + n) * step);
}

export interface Scales {
  readonly x: Scale;
  readonly y: Scale;
  /** Round values of y. */
  readonly marks: readonly number[];
}

/** Scales that fill the frame; y begins at 0, or below it where there are negative values. */
export function scalesOf(frame: Frame, x: readonly [number, number], values: readonly number[]): Scales {
  const marks = marksOf(values);
  return {
    marks,
    x: linear(x, [frame.left, Math.max(frame.width - frame.right, frame.left + 1)]),
    y: linear([marks[0] ?? 0, marks.at(-1) ?? 1], [frame.height - frame.bottom, frame.top]),
  };
}

export interface Spot {
  readonly time: number;
  readonly cost: number;
}

/** A path through the spots. */
export function linePath(scales: Scales, spots: readonly Spot[]): string {
  return `M${spots.map(({ time, cost }) => pixels(scales, time, cost)).join('L')}`;
}

/** What lies below the spots. */
export function areaPath(scales: Scales, spots: readonly Spot[]): string {
  const [first, last] = [spots[0], spots.at(-1)];
  if (!first || !last) return '';
  return `${linePath(scales, spots)}L${pixels(scales, last.time, 0)}L${pixels(scales, first.time, 0)}Z`;
}

/** A wedge from one spot to a range at a later time. */
export function bandPath(scales: Scales, from: Spot, end: number, low: number, high: number): string {
  return `${linePath(scales, [from, { time: end, cost: high }, { time: end, cost: low }])}Z`;
}

function pixels({ x, y }: Scales, time: number, cost: number): string {
  return `${String(round(x(time)))},${String(round(y(cost)))}`;
}

export interface Block {
  readonly column: number;
  readonly kind: string;
  /** Pixels, from the frame's top. */
  readonly top: number;
  readonly height: number;
}

/** Columns of stacked values: above 0 upwards, below 0 downwards. */
export function blocks(
  columns: readonly Readonly<Record<string, number>>[],
  kinds: readonly string[],
  y: Scales['y'],
): Block[] {
  return columns.flatMap((values, column) => {
    const ends = { 1: 0, [-1]: 0 };
    return kinds.flatMap((kind) => {
      const value = values[kind] ?? 0;
      if (value === 0) return [];
      const sign = value > 0 ? 1 : -1;
      const from = ends[sign];
      const to = (ends[sign] += value);
      const [top, bottom] = [y(Math.max(from, to)), y(Math.min(from, to))];
      return [{ column, kind, top: round(top), height: round(bottom - top) }];
    });
  });
}

/** The sums of each column's values above and below 0: what the y scale has to hold. */
export function extremes(columns: readonly Readonly<Record<string, number>>[]): number[] {
  return columns.flatMap((column) => {
    const values = Object.values(column);
    const sum = (ofSign: 1 | -1) =>
      values.reduce((total, value) => (Math.sign(value) === ofSign ? total + value : total), 0);
    return [sum(1), sum(-1)];
  });
}

/** Of the marks, so many that a label fits between them. */
export function spread<T>(marks: readonly T[], room: number, label: number): T[] {
  const step = Math.max(Math.ceil(marks.length / Math.max(Math.floor(room / label), 1)), 1);
  return marks.filter((_, index) => index % step === 0);
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
