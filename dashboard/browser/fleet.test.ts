/** 10,000 locations: what is not seen is not drawn, and what is typed is found. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from './support/checks';
import { Machine } from './support/machine';
import { open, startBrowser, visit } from './support/visit';

const MOST_NODES = 2_000;

let browser: Browser;
let machine: Machine;

beforeAll(async () => {
  [browser, machine] = await Promise.all([startBrowser(), Machine.start('fleet-10000')]);
});

afterAll(async () => {
  await Promise.all([browser.close(), machine.stop()]);
});

test('the location picker searches 10,000 locations and draws few of them', async () => {
  const { page, errors, strangers } = await visit(browser, machine);
  await open(page, machine, 'month');
  await page.getByRole('button', { name: /Location/ }).click();
  const options = page.getByRole('option');
  await expect.poll(() => options.count(), { timeout: 30_000 }).toBeGreaterThan(1);
  expect(await page.locator('*').count()).toBeLessThanOrEqual(MOST_NODES);
  const last = await options.last().innerText();
  const name = last.split('\n')[0] ?? '';
  await page.getByRole('combobox').fill(name);
  await expect.poll(() => options.first().innerText()).toContain(name);
  expect(await page.locator('*').count()).toBeLessThanOrEqual(MOST_NODES);
  expect(await violations(page)).toEqual([]);
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});
