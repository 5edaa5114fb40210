/** 10,000 locations: what is not seen is not drawn, and what is typed is found. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { overflow, violations } from './support/checks';
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

const nodes = (page: Page) => page.locator('*').count();

test('the fleet has a row for each, draws those in sight, and finds and sorts all', async () => {
  const { page, errors, strangers } = await visit(browser, machine);
  await open(page, machine, 'fleet');
  const region = page.getByRole('region', { name: 'Payers and locations' });
  const table = page.getByRole('table', { name: 'Fleet by payer' });
  const rows = table.locator('.rows [role=row]');
  expect(await table.getAttribute('aria-rowcount')).toBe('10201');
  expect(await nodes(page)).toBeLessThanOrEqual(MOST_NODES);
  const first = await rows.first().innerText();
  for (const part of [0.5, 1]) {
    await region.evaluate((element, to) => {
      element.scrollTop = element.scrollHeight * to;
    }, part);
    await expect.poll(() => rows.first().innerText()).not.toBe(first);
    const [box, shown] = [await region.boundingBox(), await rows.last().boundingBox()];
    expect((shown?.y ?? 0) + (shown?.height ?? 0)).toBeGreaterThanOrEqual(
      (box?.y ?? 0) + (box?.height ?? 0) - 2,
    );
    expect(await nodes(page)).toBeLessThanOrEqual(MOST_NODES);
  }
  expect(await rows.last().getAttribute('aria-rowindex')).toBe('10201');
  await page.getByRole('button', { name: 'Payer, location' }).click();
  expect(await region.evaluate((element) => element.scrollTop)).toBe(0);
  expect(await violations(page)).toEqual([]);
  await page.getByRole('searchbox').fill('location 9876');
  await expect.poll(() => rows.count()).toBe(2);
  expect(await rows.last().innerText()).toContain('Location 9876');
  expect(await overflow(page)).toBe(0);
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});

test('the location picker searches them and draws few of them', async () => {
  const { page, errors, strangers } = await visit(browser, machine);
  await open(page, machine, 'month');
  await page.getByRole('button', { name: /Location/ }).click();
  const options = page.getByRole('option');
  await expect.poll(() => options.count(), { timeout: 30_000 }).toBeGreaterThan(1);
  expect(await nodes(page)).toBeLessThanOrEqual(MOST_NODES);
  for (let presses = 0; presses < 20; presses++) await page.keyboard.press('ArrowDown');
  const [list, active] = [
    await page.getByRole('listbox').boundingBox(),
    await page.locator('[role=option].active').boundingBox(),
  ];
  expect((active?.y ?? Infinity) + (active?.height ?? 0)).toBeLessThanOrEqual(
    (list?.y ?? 0) + (list?.height ?? 0) + 1,
  );
  const name = (await options.last().innerText()).split('\n')[0] ?? '';
  await page.getByRole('combobox').fill(name);
  await expect.poll(() => options.first().innerText()).toContain(name);
  expect(await nodes(page)).toBeLessThanOrEqual(MOST_NODES);
  expect(await violations(page)).toEqual([]);
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});
