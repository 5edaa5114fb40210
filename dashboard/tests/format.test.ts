import { expect, test } from 'vitest';
import { ago, money, percent, typeName, utcDay, utcMonth } from '../src/ui/format';
import { parseHash } from '../src/route.svelte';
import { readSettings } from '../src/settings';
import { matches } from '../src/shell/places';

test('money is dollars with cents, in the words of the locale', () => {
  expect(money(1316.1, { locale: 'en-US' })).toBe('$1,316.10');
  expect(money(-3, { locale: 'en-US' })).toBe('-$3.00');
  expect(money(1316.1, { locale: 'en-US', short: true })).toBe('$1,316');
  expect(money(12.5, { locale: 'en-US', sign: true })).toBe('+$12.50');
  expect(money(0, { locale: 'en-US', sign: true })).toBe('$0.00');
  expect(money(1316.1, { locale: 'de-DE' })).toMatch(/1\.316,10\s\$/);
});

test('small fractions keep a decimal', () => {
  expect(percent(0.52644, { locale: 'en-US' })).toBe('53%');
  expect(percent(0.0264, { locale: 'en-US', sign: true })).toBe('+2.6%');
});

test('days of billing are of UTC wherever the reader is', () => {
  expect(utcDay('2026-11-30T23:59:59Z', { locale: 'en-US' })).toBe('Nov 30');
  expect(utcMonth('2026-12-01T00:00:00Z', 'en-US')).toBe('December');
});

test('ages are told in the largest unit that fits', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  expect(ago('2026-11-21T11:59:30Z', now, 'en')).toBe('now');
  expect(ago('2026-11-21T11:57:00Z', now, 'en')).toBe('3 minutes ago');
  expect(ago('2026-11-19T12:00:00Z', now, 'en')).toBe('2 days ago');
});

test('a kind of usage is told in words', () => {
  expect(typeName('binary_data_upload')).toBe('Binary data upload');
});

test('a hash is a view and its parameters', () => {
  const route = parseHash('#/invoices?location=a%20b&id=1');
  expect([route.view, route.parameters.get('location'), route.parameters.get('id')]).toEqual([
    'invoices',
    'a b',
    '1',
  ]);
  expect(parseHash('').view).toBe('');
});

test('settings that cannot be read are as none', () => {
  const kept = (text: string) => ({ getItem: () => text });
  expect(readSettings('', kept('{broken'))).toEqual({ service: 'billing' });
  expect(readSettings('', kept('{"service": "b2", "host": "http://localhost:1"}'))).toEqual({
    service: 'b2',
    host: 'http://localhost:1',
  });
  expect(readSettings('?service=<script>', kept('null')).service).toBe('billing');
  const denied = {
    getItem: () => {
      throw new DOMException('denied', 'SecurityError');
    },
  };
  expect(readSettings('?service=b2', denied)).toEqual({ service: 'b2' });
});

test('a location is found by name or ID, those that begin with the text first', () => {
  const fleet = [
    { location_id: 'x1', name: 'North hall' },
    { location_id: 'hall2', name: 'South' },
    { location_id: 'y3' },
  ];
  expect(matches(fleet, 'HALL').map(({ id }) => id)).toEqual(['hall2', 'x1']);
  expect(
    matches(
      Array.from({ length: 10_000 }, (_, n) => ({ location_id: `l${String(n)}` })),
      '',
    ),
  ).toHaveLength(40);
});
