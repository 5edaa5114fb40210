/** 10,000 locations: what is not seen is not drawn, and what is typed is found. */
import type { Browser, Locator, Page } from 'playwright-core';
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

/** How far the first and the last one within reach beyond the edges of what scrolls, all measured in one frame. */
const reach = (scrolls: Locator, within: string) =>
  scrolls.evaluate((element, selector) => {
    const [edges, ...boxes] = [element, ...element.querySelectorAll(selector)].map((each) =>
      each.getBoundingClientRect(),
    );
    const [first, last] = [boxes[0], boxes.at(-1)];
    if (!edges || !first || !last) throw new Error(`nothing is ${selector}`);
    return { above: edges.top - first.top, below: last.bottom - edges.bottom };
  }, within);

test('the fleet has a row for each, draws those in sight, and finds and sorts all', async () => {
  const { page, errors, strangers } = await visit(browser, machine);
  await open(page, machine, 'fleet');
  const region = page.getByRole('region', { name: 'Payers and locations' });
  const table = page.getByRole('table', { name: 'Fleet by payer' });
  const rows = table.locator('.rows [role=row]');
  expect(await table.getAttribute('aria-rowcount')).toBe('10201');
  expect(await nodes(page)).toBeLessThanOrEqual(MOST_NODES);
  for (const part of [0.5, 1]) {
    await region.evaluate((element, to) => {
      element.scrollTop = element.scrollHeight * to;
    }, part);
    // Those of the last place are all above it, until those of this one are drawn.
    await expect
      .poll(async () => {
        const { above, below } = await reach(region, '.rows [role=row]');
        return above >= 0 && below >= -2;
      })
      .toBe(true);
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
  const { above, below } = await reach(page.getByRole('listbox'), '.active');
  expect(Math.max(above, below)).toBeLessThanOrEqual(1);
  const name = (await options.last().innerText()).split('\n')[0] ?? '';
  await page.getByRole('combobox').fill(name);
  await expect.poll(() => options.first().innerText()).toContain(name);
  expect(await nodes(page)).toBeLessThanOrEqual(MOST_NODES);
  expect(await violations(page)).toEqual([]);
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});
