import { expect, test } from 'vitest';
import { csv, inSight, nextSorting, parseSorting, payersOf, rowsOf, sum } from '../src/views/fleet/fleet';

const projection = (total: number) => ({ total, method: 'history' as const, elapsed_fraction: 0.5 });
const late = { code: 'cloud_timeout', message: 'too late' };
const payers = payersOf({
  organizations: [
    { org_id: 'small', location_ids: ['l3'], month_to_date: 10, projection: projection(90) },
    { org_id: 'large', location_ids: ['l10', 'l2'], month_to_date: 30.5, projection: projection(40) },
    { org_id: 'broken', location_ids: ['l4'], error: late },
  ],
  locations: [
    { location_id: 'l10', name: 'Hall 10', machine_count: 1, billing_organization_id: 'large' },
    { location_id: 'l2', name: 'Hall 2', machine_count: 7, billing_organization_id: 'large' },
    { location_id: 'l3', name: '=1+1, "x"', machine_count: 9, billing_organization_id: 'small' },
    { location_id: 'l4', billing_organization_id: 'broken' },
    { location_id: 'l5', name: 'Lost', error: late },
  ],
  failed_count: 2,
  complete: false,
  stale: false,
});
const ids = (search: string, sort?: string) =>
  rowsOf(payers, search, parseSorting(sort)).map(({ payer, place }) => place?.id ?? payer.id ?? '?');

test.each([
  ['by cost, what is not known last', undefined, 'large l2 l10 small l3 ? l5 broken l4'],
  ['by cost, the smallest first', 'cost', 'small l3 large l2 l10 ? l5 broken l4'],
  ['by projection', '-projection', 'small l3 large l2 l10 ? l5 broken l4'],
  ['by machines, within the payer too', 'machines', 'large l10 l2 small l3 ? l5 broken l4'],
  ['by name, numbers in their order', 'name', '? l5 broken l4 large l2 l10 small l3'],
  ['by name backwards', '-name', 'small l3 large l10 l2 broken l4 ? l5'],
  ['by what is no column', '-toString', 'large l2 l10 small l3 ? l5 broken l4'],
])('sorts %s', (_title, sort, expected) => {
  expect(ids('', sort).join(' ')).toBe(expected);
});

test('machines are added up where somebody has said how many', () => {
  expect(sum(payers)).toBe(17);
  expect(sum([{ machines: undefined }])).toBeUndefined();
});

test('a search finds names, IDs and payers, in any case, and counts what it found', () => {
  expect(ids(' HALL 1')).toEqual(['large', 'l10']);
  expect(ids('l3')).toEqual(['small', 'l3']);
  expect(ids('LARGE')).toEqual(['large', 'l2', 'l10']);
  expect(ids('nothing')).toEqual([]);
  expect(rowsOf(payers, 'hall 2', parseSorting(undefined))[0]).toMatchObject({ found: 1 });
});

test('a payer counts the machines that are known', () => {
  expect(payers.map(({ id, machines }) => [id, machines])).toEqual([
    [undefined, undefined],
    ['broken', undefined],
    ['large', 8],
    ['small', 9],
  ]);
});

test('a heading sorts names from A on and figures from the largest, then the other way', () => {
  const now = parseSorting(undefined);
  expect(nextSorting('cost', now)).toBe('cost');
  expect(nextSorting('machines', now)).toBe('-machines');
  expect(nextSorting('name', now)).toBe('name');
  expect(nextSorting('name', parseSorting('name'))).toBe('-name');
});

test.each([
  [0, 600, [0, 16]],
  [6_000, 600, [94, 116]],
  [59_400, 600, [984, 1_000]],
  // The list has become shorter than it is scrolled.
  [90_000, 600, [994, 1_000]],
])('draws what is in sight at %i', (top, height, expected) => {
  expect(inSight(top, height, 60, 1_000)).toEqual(expected);
});

test('the file has every amount once, quotes what needs it, and no formula', () => {
  expect(csv(rowsOf(payers, '', parseSorting(undefined))).split('\r\n')).toEqual([
    '\uFEFFkind,organization_id,location_id,location_name,machine_count,month_to_date,projection,error',
    'payer,large,,,,30.5,40,',
    'location,large,l2,Hall 2,7,,,',
    'location,large,l10,Hall 10,1,,,',
    'payer,small,,,,10,90,',
    'location,small,l3,"\'=1+1, ""x""",9,,,',
    'payer,,,,,,,',
    'location,,l5,Lost,,,,too late',
    'payer,broken,,,,,,too late',
    'location,broken,l4,,,,,',
    '',
  ]);
});

test.each(['=1', '+1', '-1', '@a', '\t=1', ' =1', '\r=1', '\n=1', '＝1'])(
  '%j is no formula in the file',
  (name) => {
    const place = { id: 'l', name, machines: 1, error: undefined, text: '' };
    const payer = {
      id: 'o',
      places: [place],
      machines: 1,
      cost: 1,
      projection: 1,
      error: undefined,
      text: '',
    };
    expect(csv([{ payer, place }])).toMatch(/l,"?'/);
  },
);
