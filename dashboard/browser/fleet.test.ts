/** Fleet: payers and locations searched, sorted, grouped and saved; by keyboard alone. */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { hasFocus, violations, violationsInBothThemes } from './support/checks';
import { refreshed } from './support/clock';
import { Machine, REAL_WAYS } from './support/machine';
import { dollars, go, open, settled, startBrowser, visit } from './support/visit';

const FLEET_WORKS = '6f1c2d3e-4b5a-4c69-9d78-1a2b3c4d5e6f';
const HARBOR = 'a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b';

let browser: Browser;
let machine: Machine;
/** May see no location of the fleet. */
let blind: Machine;

beforeAll(async () => {
  [browser, machine, blind] = await Promise.all([
    startBrowser(),
    Machine.start('steady', { cache_ttl_s: 0, timeout_s: 3 }),
    Machine.start('steady', { allowed_location_ids: ['elsewhere1'], location_id: null, cache_ttl_s: 0 }),
  ]);
});

afterAll(async () => {
  await Promise.all([browser.close(), machine.stop(), blind.stop()]);
});

const search = (page: Page) => page.getByRole('searchbox', { name: 'Search payers and locations' });
const table = (page: Page) => page.getByRole('table', { name: 'Fleet by payer' });
const names = (page: Page) => table(page).locator('.rows .name .line:first-child').allInnerTexts();

/** The answer that the page has just had: usage grows by the second. */
const sameAnswer = () => machine.ask('get_fleet_usage', { max_age_s: 300 });

/** Cells of the rows shown, as a reader sees them. */
const cells = (page: Page) =>
  table(page)
    .locator('.rows [role=row]')
    .evaluateAll((rows) =>
      rows.map((row) => [...row.children].map((cell) => (cell as HTMLElement).innerText.trim())),
    );

describe.each(REAL_WAYS)('%s', (way) => {
  beforeEach(() => machine.by(way));

  test('each payer has its locations below it, with machines and amounts as the service tells them', async () => {
    const { page, errors, strangers } = await visit(browser, machine);
    await open(page, machine, 'fleet');
    const told = await sameAnswer();
    const figures = await page.getByRole('region', { name: 'Fleet in figures' }).innerText();
    expect(figures).toContain(dollars(told.total_month_to_date ?? NaN));
    expect(figures).toContain('2 payers, 7 locations, 51 machines');

    const rows = await cells(page);
    expect(rows.map(([name = '']) => name.split('\n')[0])).toEqual([
      FLEET_WORKS,
      ...['East Yard', 'Main Lab', 'Warehouse North', 'Warehouse South', 'West Depot'],
      HARBOR,
      'Pier 7',
      'Payer not known',
      'New Site',
    ]);
    const works = told.organizations.find(({ org_id }) => org_id === FLEET_WORKS);
    expect(rows[0]?.slice(1)).toEqual([
      '42',
      dollars(works?.month_to_date ?? NaN),
      dollars(works?.projection?.total ?? NaN, 0),
    ]);
    expect(rows[7]).toEqual(['Pier 7\npier7hl001', '9', '', '']);
    expect(await page.getByText('1 row could not be read').count()).toBe(1);
    expect(rows[9]?.[0]).toMatch(/^New Site\nNot read: /);
    expect(await violationsInBothThemes(page)).toEqual([]);
    expect(errors).toEqual([]);
    expect(strangers).toEqual([]);
  });

  test('a search and an order are in the address, stay over a reload, and are no steps for the back button', async () => {
    const { page, errors } = await visit(browser, machine);
    await open(page, machine, 'month');
    await go(page, 'fleet');
    await search(page).fill('ware');
    expect(await names(page)).toEqual([FLEET_WORKS, 'Warehouse North', 'Warehouse South']);
    expect(await page.getByText('2 of 5 locations found').count()).toBe(1);
    expect(await page.getByRole('main').getByRole('status').allInnerTexts()).toContain('2 locations');
    const sort = (name: string) => page.getByRole('button', { name, exact: true });
    const sorted = (name: string) => page.getByRole('columnheader', { name }).getAttribute('aria-sort');
    expect(await sorted('To date')).toBe('descending');
    await sort('Machines').click();
    expect([await sorted('Machines'), await sorted('To date')]).toEqual(['descending', 'none']);
    await sort('Machines').click();
    expect(await sorted('Machines')).toBe('ascending');
    expect(await names(page)).toEqual([FLEET_WORKS, 'Warehouse South', 'Warehouse North']);
    expect(page.url()).toMatch(/#\/fleet\?q=ware&sort=machines$/);

    await page.reload();
    await expect.poll(() => names(page)).toEqual([FLEET_WORKS, 'Warehouse South', 'Warehouse North']);
    expect(await search(page).inputValue()).toBe('ware');
    await search(page).fill('no such place');
    await page.getByText('Nothing is found').waitFor();
    expect(await page.getByRole('button', { name: 'Save as CSV' }).isDisabled()).toBe(true);
    expect(await violations(page)).toEqual([]);
    await page.goBack();
    await page.waitForURL(/#\/month$/);
    await page.goForward();
    await page.getByText('Nothing is found').waitFor();
    await search(page).fill('');
    for (const [name, first] of [
      ['Payer, location', 'Payer not known'],
      ['Projected', FLEET_WORKS],
    ] as const) {
      await sort(name).click();
      expect((await names(page))[0]).toBe(first);
    }
    expect(errors).toEqual([]);
  });

  test('what is shown is saved as CSV', async () => {
    const { page, errors } = await visit(browser, machine);
    await open(page, machine, 'fleet?q=e&sort=name');
    const { organizations, locations } = await sameAnswer();
    const shown = await names(page);
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as CSV' }).click();
    const download = await waiting;
    expect(download.suggestedFilename()).toMatch(/^viam-fleet-\d{4}-\d\d-\d\d\.csv$/);
    const text = readFileSync(await download.path(), 'utf8');
    expect(text.startsWith('\uFEFFkind,organization_id,location_id,')).toBe(true);
    const rows = text
      .trimEnd()
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(','));
    expect(
      rows.map(([kind, payer, , place]) =>
        kind === 'payer' ? (payer === '' ? 'Payer not known' : payer) : place,
      ),
    ).toEqual(shown);
    for (const [kind, payer, id, name, machines, cost, projection] of rows) {
      const place = locations.find(({ location_id }) => location_id === id);
      const organization = organizations.find(({ org_id }) => org_id === payer);
      if (kind === 'location')
        expect([payer, name, machines, cost, projection]).toEqual([
          place?.billing_organization_id ?? '',
          place?.name,
          String(place?.machine_count),
          '',
          '',
        ]);
      else if (organization)
        expect([Number(cost), Number(projection)]).toEqual([
          organization.month_to_date,
          organization.projection?.total,
        ]);
    }
    expect(errors).toEqual([]);
  });

  test('by keyboard alone: searched, cleared, sorted, saved, and on to a location; a refresh leaves the focus', async () => {
    const seen = await visit(browser, machine, { clock: true });
    const { page, errors } = seen;
    await open(page, machine, 'fleet');
    const focused = () => page.evaluate(() => document.activeElement?.textContent.trim() ?? '');
    const tabTo = async (words: string) => {
      await page.keyboard.press('Tab');
      expect(await focused()).toContain(words);
    };
    await page.getByRole('button', { name: /Location/ }).focus();
    await page.keyboard.press('Tab');
    expect(await hasFocus(search(page))).toBe(true);
    await page.keyboard.type('pier');
    expect(await names(page)).toEqual([HARBOR, 'Pier 7']);
    await page.keyboard.press('Escape');
    expect(await search(page).inputValue()).toBe('');
    expect((await names(page)).length).toBe(10);
    await page.keyboard.type('w');
    await refreshed(seen);
    await page.keyboard.type('areh');
    expect(await search(page).inputValue()).toBe('wareh');
    await tabTo('Save as CSV');
    const saved = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    await saved;
    await page.keyboard.press('Tab');
    const region = page.getByRole('region', { name: 'Payers and locations' });
    expect(await hasFocus(region)).toBe(true);
    await tabTo('Payer, location');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Space');
    expect(await names(page)).toEqual([FLEET_WORKS, 'Warehouse South', 'Warehouse North']);
    expect(await focused()).toContain('Payer, location');
    for (const words of ['Machines', 'To date', 'Projected', 'Warehouse South']) await tabTo(words);
    await refreshed(seen);
    expect(await focused()).toBe('Warehouse South');
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/month\?location=wh2south01$/);
    await settled(page);
    expect(errors).toEqual([]);
  });

  test('a fleet without locations is told from one that this service may not see', async () => {
    await blind.by(way);
    const { page, errors } = await visit(browser, blind);
    await open(page, blind, 'fleet');
    await page.getByText('7 locations are outside what this service may see.').waitFor();
    expect(await violationsInBothThemes(page)).toEqual([]);
    const { locations } = await machine.ask('get_fleet_usage', {});
    const give = async (organization: string) => {
      for (const { location_id: location } of locations)
        await blind.cloud('Patch', { location, organization_id: organization });
    };
    await give(HARBOR);
    onTestFinished(() => give(FLEET_WORKS));
    await open(page, blind, 'fleet');
    await page.getByText('The API key of the machine sees none.').waitFor();
    expect(errors).toEqual([]);
  });
});
