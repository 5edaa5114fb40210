/** What goes away and comes back while the page is open: the cloud, the module, the machine. Its figures stay. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { violations } from './support/checks';
import { LATER_MS, later, refreshed } from './support/clock';
import { Machine, REAL_WAYS, WAYS } from './support/machine';
import { go, open, startBrowser, visit, type Visit } from './support/visit';

/** Those whose figures are the cloud's. */
const VIEWS = ['month', 'fleet', 'invoices'];
const NEWEST = 'These are the newest figures known.';

let browser: Browser;
let machine: Machine;
let away: Machine;

beforeAll(async () => {
  [browser, machine, away] = await Promise.all([
    startBrowser(),
    Machine.start('steady', { cache_ttl_s: 0, timeout_s: 2 }),
    Machine.start('cloud-away'),
  ]);
});

afterAll(async () => {
  await Promise.all([browser.close(), machine.stop(), away.stop()]);
});

const figure = (page: Page) => page.locator('main .figure').first().innerText();

/** What the lines of a view are called. */
const rows = (page: Page) => page.locator('main').locator('h3, [role=rowheader]').allInnerTexts();

/** Lets minutes pass until the page shows a text, or shows it no more. */
function shows(visit: Visit, words: string, shown = true): Promise<void> {
  return later(visit, async () => (await visit.page.getByText(words).count()) > 0 === shown);
}

describe.each(WAYS)('with errors as %s gives them', (way) => {
  beforeEach(async () => {
    await Promise.all([machine.by(way), away.by(way)]);
  });

  test('the cloud goes: each view keeps its figures and says since when; and it comes back', async () => {
    const seen = await visit(browser, machine, { clock: true });
    const { page, errors } = seen;
    await open(page, machine, 'health');
    const before: Record<string, string[]> = {};
    for (const view of VIEWS) {
      await go(page, view);
      before[view] = await rows(page);
      expect(await page.getByText(NEWEST).count(), view).toBe(0);
    }
    await machine.fault({ rpc: '*', status: 'UNAVAILABLE' });
    for (const view of VIEWS) {
      await go(page, view);
      await shows(seen, NEWEST);
      expect(await figure(page)).toMatch(/^\$[\d,]+\.\d\d$/);
      expect(await rows(page)).toEqual(before[view]);
      expect(await page.getByText(/^As of .*\):/).count(), view).toBe(1);
      expect(await violations(page), view).toEqual([]);
    }
    await machine.cloud('ClearFaults');
    for (const view of VIEWS) {
      await go(page, view);
      await shows(seen, NEWEST, false);
    }
    expect(errors).toEqual([]);
  });

  test('the module is stopped and started: the page says it once, and goes on by itself', async () => {
    const seen = await visit(browser, machine, { clock: true });
    const { page } = seen;
    await open(page, machine, 'month');
    await machine.does('StopModule');
    try {
      await shows(seen, 'No service “billing” answers on this machine.');
      expect(await figure(page)).toMatch(/^\$/);
      expect(await page.locator('.notice').count()).toBe(1);
      expect(await violations(page)).toEqual([]);
    } finally {
      await machine.does('StartModule');
    }
    await shows(seen, 'No service “billing” answers on this machine.', false);
    expect(await figure(page)).toMatch(/^\$/);
  });

  test('the module is killed and comes back: the page asks the new one', async () => {
    const seen = await visit(browser, machine, { clock: true });
    const { page } = seen;
    await open(page, machine, 'charges');
    const { module_pid: before } = await machine.does('Status');
    await machine.does('KillModule');
    await expect
      .poll(async () => {
        const { module_pid: now, module_ready: ready } = await machine.does('Status');
        return ready && now !== before;
      })
      .toBe(true);
    await refreshed(seen);
    await shows(seen, 'No service “billing” answers on this machine.', false);
    expect(await page.getByRole('link', { name: 'job-000118' }).count()).toBeGreaterThan(0);
    expect(await page.locator('.notice').count()).toBe(0);
  });
});

describe.each(REAL_WAYS)('%s', (way) => {
  beforeEach(async () => {
    await Promise.all([machine.by(way), away.by(way)]);
  });

  test('a page that is opened while the cloud is away shows what is known, and says so', async () => {
    const { page, errors } = await visit(browser, away);
    await open(page, away, 'month');
    await page.getByText(NEWEST).first().waitFor();
    expect(await figure(page)).toMatch(/^\$/);
    await open(page, away, 'health');
    await page.getByText('Nothing is known of the key, and the figures are the newest known.').waitFor();
    expect(await violations(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('the machine is switched off and on: the figures stay, and the page connects again', async () => {
    const seen = await visit(browser, machine, { clock: true });
    const { page } = seen;
    await open(page, machine, 'month');
    await machine.does('StopMachine');
    try {
      await shows(seen, 'The machine cannot be reached.');
      expect(await figure(page)).toMatch(/^\$/);
      expect(await violations(page)).toEqual([]);
    } finally {
      await machine.does('StartMachine');
    }
    await shows(seen, 'The machine cannot be reached.', false);
    expect(await figure(page)).toMatch(/^\$/);
  });
});

test('what is not seen does not ask', async () => {
  const { page, asked } = await visit(browser, machine, { clock: true });
  await open(page, machine, 'month');
  await show(page, false);
  await page.clock.fastForward(LATER_MS);
  const before = asked.count;
  await page.clock.fastForward(10 * LATER_MS);
  expect(asked.count).toBe(before);
  await show(page, true);
  await expect
    .poll(async () => {
      await page.clock.fastForward(LATER_MS);
      return asked.count;
    })
    .toBeGreaterThan(before);
});

/** As a browser tells the page that its tab is in front or behind. */
async function show(page: Page, shown: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, !shown);
}
