import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { BudgetStanding } from '../src/machine/records';
import Budget from '../src/views/month/Budget.svelte';
import {
  areaPath,
  bandPath,
  blocks,
  extremes,
  linePath,
  linear,
  roomOf,
  roundMarks,
  scalesOf,
  spread,
} from '../src/charts/geometry';
import {
  OTHERS,
  costLine,
  days,
  gaugeEnd,
  historySince,
  largestKinds,
  midnights,
  monthOf,
} from '../src/views/month/month';

const at = (time: string) => Date.parse(time);
const NOVEMBER = { start: at('2026-11-01T00:00:00Z'), end: at('2026-12-01T00:00:00Z') };

test.each([
  ['as the answer says', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z'],
  ['without dates', undefined, undefined],
  ['counted until here', '2026-11-01T00:00:00Z', '2026-11-21T12:00:00Z'],
  ['with a start of the year 1', '0001-01-01T00:00:00Z', '2026-12-01T00:00:00Z'],
  ['with dates that are none', 'soon', 'later'],
])('the month is known %s', (_how, start, end) => {
  const dates = {
    ...(start !== undefined && { start_date: start }),
    ...(end !== undefined && { end_date: end }),
  };
  expect(monthOf({ as_of: '2026-11-21T12:00:00Z', ...dates }, 0)).toEqual(NOVEMBER);
});

test('the history is asked from before the month, whatever the time zone', () => {
  expect(historySince(at('2026-11-21T12:00:00Z'))).toBe('2026-10-31T00:00:00.000Z');
});

const POINTS = [
  { time: '2026-10-31T23:59:59Z', month_to_date: 900, delta: 40 },
  { time: '2026-11-01T23:59:59Z', month_to_date: 10, delta: 10, delta_by_type: { a: 6, b: 3 } },
  { time: '2026-11-04T10:00:00Z', month_to_date: 60 },
];
const USAGE = {
  location_id: 'l',
  billing_organization_id: 'o',
  month_to_date: 70,
  cost_by_type: { a: 50, b: 20 },
  as_of: '2026-11-04T12:00:00Z',
  stale: false,
};

test('the line begins at nothing, leaves out the month before, and ends at the newest figure', () => {
  expect(costLine(POINTS, USAGE, NOVEMBER)).toEqual([
    { time: NOVEMBER.start, cost: 0 },
    { time: at('2026-11-01T23:59:59Z'), cost: 10 },
    { time: at('2026-11-04T10:00:00Z'), cost: 60 },
    { time: at('2026-11-04T12:00:00Z'), cost: 70 },
  ]);
});

test('a day is shown where its cost is known, and what has no colour is one more part', () => {
  expect(days(POINTS, ['a'], NOVEMBER)).toEqual([
    { day: NOVEMBER.start, total: 10, parts: { a: 6, [OTHERS]: 4 } },
  ]);
});

test('of a day that is not known by kind no kind is told, not even as 0', () => {
  const seen = POINTS.map(({ time, month_to_date, delta }) => ({
    time,
    month_to_date,
    ...(delta !== undefined && { delta }),
  }));
  expect(days(seen, ['a'], NOVEMBER)).toEqual([{ day: NOVEMBER.start, total: 10, parts: { [OTHERS]: 10 } }]);
});

test('the largest kinds have colours, those that cost nothing have none', () => {
  expect(largestKinds({ a: 1, b: 5, c: 0, d: 3, e: 2, f: 4 })).toEqual(['b', 'f', 'd', 'e']);
});

test('a month has a midnight for each of its days', () => {
  expect(midnights(NOVEMBER)).toHaveLength(30);
});

test('a status that this page does not know is told by its name', () => {
  const budget = { status: 'on_hold', monthly_budget: 100, used_fraction: 0.25 } as unknown;
  render(Budget, { budget: budget as BudgetStanding, projection: undefined });
  expect(screen.getByText('On hold')).toBeTruthy();
});

test('a gauge ends at the budget, or beyond it where more is used or projected', () => {
  expect(gaugeEnd(0.5, 0.9)).toBe(1);
  expect(gaugeEnd(0.5, 2)).toBeCloseTo(2.1);
  expect(gaugeEnd(3, undefined)).toBeCloseTo(3.15);
});

const FRAME = { width: 110, height: 120, top: 10, right: 10, bottom: 10, left: 0 };

test('scales fill the frame and begin at 0', () => {
  const { x, y, marks } = scalesOf(FRAME, [0, 10], [3, 97]);
  expect([x(0), x(10), y(0), y(100)]).toEqual([0, 100, 110, 10]);
  expect(marks).toEqual([0, 20, 40, 60, 80, 100]);
});

test.each([
  [0, 97, [0, 20, 40, 60, 80, 100]],
  [0, 1926.1, [0, 500, 1000, 1500, 2000]],
  [-40, 130, [-50, 0, 50, 100, 150]],
  [0, 0.37, [0, 0.1, 0.2, 0.3, 0.4]],
  [0, 0, [0]],
])('from %s to %s the marks are round and hold both ends', (least, most, wanted) => {
  const marks = roundMarks(least, most);
  expect(marks).toHaveLength(wanted.length);
  marks.forEach((mark, index) => {
    expect(mark).toBeCloseTo(wanted[index] ?? NaN);
  });
});

test('the room at the left grows with the marks’ labels', () => {
  expect(roomOf([3_000])).toBe(60);
  expect(roomOf([1_900_000])).toBeGreaterThanOrEqual(12 + 8 * '$2,000,000'.length);
});

test('scales of nothing, and of credits alone, are still scales', () => {
  expect(scalesOf(FRAME, [5, 5], []).x(5)).toBe(0);
  expect(scalesOf(FRAME, [0, 1], [0]).y(0)).toBe(110);
  expect(scalesOf(FRAME, [0, 1], [-40]).y(0)).toBe(10);
});

test('paths go through their spots', () => {
  const scales = { x: linear([0, 10], [0, 100]), y: linear([0, 10], [100, 0]), marks: [] };
  const spots = [
    { time: 0, cost: 0 },
    { time: 5, cost: 2.5 },
  ];
  expect(linePath(scales, spots)).toBe('M0,100L50,75');
  expect(areaPath(scales, spots)).toBe('M0,100L50,75L50,100L0,100Z');
  expect(areaPath(scales, [])).toBe('');
  expect(bandPath(scales, { time: 5, cost: 5 }, 10, 6, 9)).toBe('M50,50L100,10L100,40Z');
});

test('stacks grow upwards, and credits downwards', () => {
  const y = linear([-10, 10], [200, 0]);
  const columns = [{ a: 5, b: 3, c: -2 }, { a: 0 }];
  expect(extremes(columns)).toEqual([8, -2, 0, 0]);
  expect(blocks(columns, ['a', 'b', 'c'], y)).toEqual([
    { column: 0, kind: 'a', top: 50, height: 50 },
    { column: 0, kind: 'b', top: 20, height: 30 },
    { column: 0, kind: 'c', top: 100, height: 20 },
  ]);
});

test('of the days so many are labelled as there is room for', () => {
  expect(spread([1, 2, 3, 4, 5, 6], 120, 56)).toEqual([1, 4]);
  expect(spread([1, 2], 10, 56)).toEqual([1]);
});
