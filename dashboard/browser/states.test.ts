/** The states of every view besides its answers: loading, empty, refused, failed, partly failed; with both ways' errors. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { layoutShift, violations, violationsInBothThemes } from './support/checks';
import { Machine, REAL_WAYS, WAYS } from './support/machine';
import { go, open, settled, startBrowser, visit } from './support/visit';

const FLEET_WORKS = '6f1c2d3e-4b5a-4c69-9d78-1a2b3c4d5e6f';
const HARBOR = 'a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b';
const NORTHWIND = 'e5d4c3b2-a190-4f8e-9d7c-6b5a49382716';

const views = readdirSync(join(import.meta.dirname, '..', 'src', 'views')).filter(
  (name) => !name.includes('.'),
);

let browser: Browser;
/** Answers everything that reads, and keeps no answer. */
let reads: Machine;
/** Answers what one location costs, and nothing else. */
let narrow: Machine;

beforeAll(async () => {
  [browser, reads, narrow] = await Promise.all([
    startBrowser(),
    Machine.start('steady', { allowed_commands: ['read'], cache_ttl_s: 0 }),
    Machine.start('steady', {
      allowed_commands: ['get_location_usage'],
      allowed_org_ids: null,
      allowed_location_ids: ['wh1north01'],
    }),
  ]);
});

afterAll(async () => {
  await Promise.all([browser.close(), reads.stop(), narrow.stop()]);
});

const main = (page: Page) => page.locator('main').innerText();

describe.each(views)('%s', (view) => {
  test('holds the place of what is asked, and nothing moves when it comes', async () => {
    const { page, errors } = await visit(browser, reads);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/DoCommand', async (route) => {
      if (route.request().postDataBuffer()?.includes('help') !== true) await released;
      await route.continue();
    });
    await page.goto(`${reads.page}#/${view}`);
    await page.locator('main h1').waitFor();
    await page.locator('main .loading[role=status]').first().waitFor();
    expect(await violations(page)).toEqual([]);
    release();
    await settled(page);
    expect(await layoutShift(page)).toBeLessThan(0.02);
    expect(errors).toEqual([]);
  });
});

beforeEach(async () => {
  await Promise.all([reads.by('direct'), narrow.by('direct')]);
});

describe.each(REAL_WAYS)('%s', (way) => {
  beforeEach(async () => {
    await Promise.all([reads.by(way), narrow.by(way)]);
  });

  test('only what is allowed is offered, and asked for', async () => {
    const { page, errors } = await visit(browser, narrow);
    await open(page, narrow, 'month');
    await page.locator('nav.known').waitFor(); // told after the first figure
    expect(await page.locator('nav a').allInnerTexts()).toEqual(['Month', 'Health']);
    expect(await main(page)).toContain('Cost by kind of usage');
    expect(await main(page)).not.toContain('What changed most');
    expect(await page.locator('.failure').count()).toBe(0);

    await go(page, 'health');
    expect(await main(page)).toContain('The key could not be checked');
    expect(await page.getByRole('button', { name: /Check/ }).count()).toBe(0);
    expect(await violations(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('a customer without usage has an empty month, and a machine that has charged nobody says so', async () => {
    await reads.cloud('Patch', { organization: NORTHWIND, usage: [] });
    const { page, errors } = await visit(browser, reads);
    await open(page, reads, 'month?location=nwlabs0001');
    await page.getByText('Nothing has been used yet').waitFor();
    expect(await main(page)).toContain('$0.00');
    expect(await violations(page)).toEqual([]);

    await go(page, 'charges');
    await page.getByText('Nothing has been charged yet').waitFor();
    expect(await page.getByRole('button', { name: /Settle|Look for/ }).count()).toBe(0);
    expect(await violations(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('Health says which calls the key may not make, beside all that works', async () => {
    await reads.fault({ rpc: 'GetInvoicesSummary', status: 'PERMISSION_DENIED' });
    const { page, errors } = await visit(browser, reads);
    await open(page, reads, 'health');
    await page.getByText(/The API key may not make 1 of \d+ calls/).waitFor();
    expect(await main(page)).toContain('Refused: get_invoices_summary');
    expect(await main(page)).toContain('Connected');
    expect(await violations(page)).toEqual([]);
    expect(errors).toEqual([]);
  });
});

describe.each(WAYS)('with errors as %s gives them', (way) => {
  beforeEach(async () => {
    await Promise.all([reads.by(way), narrow.by(way)]);
  });

  test('the address of what is not allowed leads to the words of the refusal', async () => {
    const { page, errors } = await visit(browser, narrow);
    await open(page, narrow);
    for (const view of views.filter((each) => each !== 'health' && each !== 'month')) {
      await go(page, view);
      await page.getByText('Not allowed by this service').first().waitFor();
      expect(await main(page)).toContain('command_not_allowed');
      expect(await violations(page), view).toEqual([]);
    }
    await go(page, 'month?location=harborhq01');
    await page.getByText('Outside what this service may see').waitFor();
    expect(await main(page)).toContain('out_of_scope');
    expect(await violations(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('a location that is not there is told as such, and a rejected key as what is wrong', async () => {
    const { page, errors } = await visit(browser, reads);
    await open(page, reads, 'month?location=nowhere123');
    await page.locator('.failure code', { hasText: 'not_found' }).waitFor();
    await reads.fault({ rpc: '*', status: 'PERMISSION_DENIED' });
    for (const address of ['month?location=depot1west', 'fleet', 'invoices']) {
      await go(page, address);
      await page.getByText('key_lacks_permission').first().waitFor();
      expect(await main(page)).toContain('The API key may not read this');
      expect(await violations(page), address).toEqual([]);
    }
    expect(errors).toEqual([]);
  });

  test('rows of the fleet that fail are told with their reason, the others stand', async () => {
    await reads.fault({ rpc: 'GetCurrentMonthUsage', status: 'NOT_FOUND', only_for: HARBOR });
    const { page, errors } = await visit(browser, reads);
    await open(page, reads, 'fleet');
    // One location has no payer.
    await page.getByText('2 rows could not be read').waitFor();
    const figures = await page.getByRole('region', { name: 'Fleet in figures' }).innerText();
    expect(figures).toContain('month to date, of what could be read');
    const row = (id: string) => page.getByRole('row').filter({ hasText: id }).innerText();
    expect(await row(HARBOR)).toMatch(/\nNot read: [\s\S]*\n9\n–\n–$/);
    expect(await row(FLEET_WORKS)).toMatch(/\n42\n\$[\d,]+\.\d\d\n\$[\d,]+$/);
    expect(await violationsInBothThemes(page)).toEqual([]);
    expect(errors).toEqual([]);
  });
});

test('amounts of millions stand whole side by side on a phone', async () => {
  await reads.cloud('Patch', { organization: FLEET_WORKS, usage: [{ costs: { per_machine: 9_000_000 } }] });
  const { page } = await visit(browser, reads, { viewport: { width: 320, height: 900 } });
  await open(page, reads, 'fleet');
  const row = page.getByRole('row').filter({ hasText: FLEET_WORKS });
  expect(await row.innerText()).toMatch(/\n\$\d,\d{3},\d{3}\.\d\d\n\$\d+,\d{3},\d{3}$/);
  const edges = await row.evaluate((element) => [
    ...[...element.querySelectorAll('.number')].flatMap((cell) => {
      const text = document.createRange();
      text.selectNodeContents(cell);
      const { left, right } = text.getBoundingClientRect();
      return [left, right];
    }),
    element.getBoundingClientRect().right,
  ]);
  expect(edges).toEqual(edges.toSorted((one, other) => one - other));
});
