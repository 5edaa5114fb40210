import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { titleOf } from '../src/ui/words';

const module = readFileSync('../src/viam_billing/core/errors.py', 'utf8');
const codes = [...module.matchAll(/\bcode="([a-z_]+)"/g)].map(([, code]) => code ?? '');

test('every error of the module has a title of its own', () => {
  expect(codes).toContain('result_too_large');
  const titles = codes.map((code) => titleOf({ code }));
  expect(titles).not.toContain(titleOf({ code: 'of_a_newer_module' }));
  expect(new Set(titles).size).toBe(codes.length);
});
