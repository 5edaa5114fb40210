/** The fleet by payer: prepared once for each answer, so that searching and sorting 10,000 locations is quick. */
import type { Answers } from '../../machine/answers';

type Usage = Answers['get_fleet_usage'];

export interface Place {
  readonly id: string;
  readonly name: string | undefined;
  readonly machines: number | undefined;
  readonly error: string | undefined;
  /** What a search looks into. */
  readonly text: string;
}

export interface Payer {
  /** Undefined: for locations whose payer could not be read. */
  readonly id: string | undefined;
  /** By name. */
  readonly places: readonly Place[];
  /** Of the locations that have said how many. */
  readonly machines: number | undefined;
  readonly cost: number | undefined;
  readonly projection: number | undefined;
  readonly error: string | undefined;
  readonly text: string;
}

/** A line of the list: a payer, with how many of its locations were found, or a location of the payer above it. */
export type Row = { readonly payer: Payer; readonly found: number; readonly place?: undefined } | PlaceRow;
interface PlaceRow {
  readonly payer: Payer;
  readonly place: Place;
}

export const COLUMNS = ['name', 'machines', 'cost', 'projection'] as const;
export type Column = (typeof COLUMNS)[number];
export interface Sorting {
  readonly column: Column;
  readonly descending: boolean;
}

/** One for the page: making it takes longer than a thousand comparisons. */
const words = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** The payers, by ID, with their locations, by name. */
export function payersOf({ organizations, locations }: Usage): Payer[] {
  const byPayer = new Map<string | undefined, Place[]>(organizations.map(({ org_id }) => [org_id, []]));
  for (const { location_id: id, name, machine_count, billing_organization_id, error } of locations) {
    const text = `${name ?? ''}\n${id}`.toLowerCase();
    const place = { id, name, machines: machine_count, error: error?.message, text };
    const places = byPayer.get(billing_organization_id);
    if (places) places.push(place);
    else byPayer.set(billing_organization_id, [place]);
  }
  const rows = new Map(organizations.map((row) => [row.org_id, row]));
  return [...byPayer]
    .map(([id, places]) => {
      const row = id === undefined ? undefined : rows.get(id);
      places.sort((one, other) => words.compare(one.name ?? one.id, other.name ?? other.id));
      return {
        id,
        places,
        machines: sum(places),
        cost: row?.month_to_date,
        projection: row?.projection?.total,
        error: row?.error?.message,
        text: (id ?? '').toLowerCase(),
      };
    })
    .sort((one, other) => words.compare(one.text, other.text));
}

/** The machines of those that have said how many; undefined where none has. */
export function sum(all: readonly Pick<Place, 'machines'>[]): number | undefined {
  const known = all.flatMap(({ machines }) => machines ?? []);
  return known.length === 0 ? undefined : known.reduce((total, number) => total + number, 0);
}

/** `-cost` is by cost, the largest first; also what an address without a sorting means. */
export function parseSorting(text: string | undefined): Sorting {
  const name = text?.replace(/^-/, '');
  const column = COLUMNS.find((one) => one === name);
  return column
    ? { column, descending: text?.startsWith('-') === true }
    : { column: 'cost', descending: true };
}

/** What a click on a column's heading asks for: names from A on, figures from the largest, then the other way. */
export function nextSorting(column: Column, now: Sorting): string {
  const descending = now.column === column ? !now.descending : column !== 'name';
  return `${descending ? '-' : ''}${column}`;
}

/** The lines to show: a payer that fits has all its locations, another one those that fit. */
export function rowsOf(payers: readonly Payer[], search: string, sorting: Sorting): Row[] {
  const wanted = search.trim().toLowerCase();
  const { column } = sorting;
  const rows: Row[] = [];
  for (const payer of sorted(payers, (one) => (column === 'name' ? undefined : one[column]), sorting)) {
    const whole = payer.text.includes(wanted);
    const found = whole ? payer.places : payer.places.filter(({ text }) => text.includes(wanted));
    if (!whole && found.length === 0) continue;
    rows.push({ payer, found: found.length });
    // A location has no cost of its own: then by name.
    const places = sorted(
      found,
      (one) => (column === 'machines' ? one.machines : undefined),
      column === 'name' || column === 'machines' ? sorting : { column: 'name', descending: false },
    );
    for (const place of places) rows.push({ payer, place });
  }
  return rows;
}

/** What is by name already, by figure, or the other way; what has no figure comes last either way. */
function sorted<T>(
  byName: readonly T[],
  figure: (one: T) => number | undefined,
  { column, descending }: Sorting,
): readonly T[] {
  if (column === 'name') return descending ? byName.toReversed() : byName;
  const sign = descending ? -1 : 1;
  return byName.toSorted((one, other) => {
    const [a, b] = [figure(one), figure(other)];
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    return sign * (a - b);
  });
}

/** Which lines to draw, from and to: those in sight and a few around them. */
export function inSight(top: number, height: number, rowHeight: number, rows: number): [number, number] {
  const first = Math.max(Math.min(Math.floor(top / rowHeight), rows) - AROUND, 0);
  return [first, Math.min(Math.ceil((top + height) / rowHeight) + AROUND, rows)];
}
const AROUND = 6;

const HEADINGS =
  'kind,organization_id,location_id,location_name,machine_count,month_to_date,projection,error'.split(',');

/** The lines as a CSV file (RFC 4180): each amount and each machine once, so that a column can be added up. */
export function csv(rows: readonly Row[]): string {
  const lines = rows.map(({ payer, place }) =>
    place
      ? ['location', payer.id, place.id, place.name, place.machines, undefined, undefined, place.error]
      : ['payer', payer.id, undefined, undefined, undefined, payer.cost, payer.projection, payer.error],
  );
  // The mark at the beginning says to spreadsheets that it is UTF-8.
  return `\uFEFF${[HEADINGS, ...lines].map((line) => `${line.map(field).join(',')}\r\n`).join('')}`;
}

/** A text that a spreadsheet would take for a formula gets an apostrophe in front. */
function field(value: string | number | undefined): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value);
  const safe = /^\s*[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
