/** Around the views: how the page finds its machine, or says why not; moving about by mouse, keyboard and address. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from './support/checks';
import { MACHINE_ID, Machine } from './support/machine';
import { open, settled, startBrowser, visit } from './support/visit';

let browser: Browser;
let machine: Machine;

beforeAll(async () => {
  [browser, machine] = await Promise.all([startBrowser(), Machine.start('steady')]);
});

afterAll(async () => {
  await Promise.all([browser.close(), machine.stop()]);
});

const heading = (page: Page) => page.locator('main h1').textContent();

test('as a Viam application the page finds its machine by the cookie, and every view by the navigation', async () => {
  const { page, errors, strangers } = await visit(browser, machine);
  await page.goto(`${machine.origin}/start`);
  await settled(page);

  expect(new URL(page.url()).pathname).toBe(`/machine/${MACHINE_ID}/`);
  expect(await page.locator('main .figure').first().textContent()).toMatch(/^\$[\d,]+\.\d\d$/);
  const links = page.locator('nav a');
  for (const link of await links.all()) {
    await link.click();
    await page.waitForFunction(
      (to) => location.href === to,
      await link.evaluate((a: HTMLAnchorElement) => a.href),
    );
    await settled(page);
    expect(await link.getAttribute('aria-current')).toBe('page');
    expect(new URL(page.url()).pathname).toBe(`/machine/${MACHINE_ID}/`);
  }
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});

test.each([
  ['none', undefined, 'You are not logged in to this machine, or the login has expired.'],
  ['one that is no JSON', '%7Bhostname', 'The login for this machine cannot be read.'],
  [
    'one without a key',
    JSON.stringify({ hostname: 'localhost:8080' }),
    'The login for this machine cannot be read.',
  ],
  [
    'one of another machine',
    JSON.stringify({ hostname: 'localhost:8080', machineId: 'other', apiKey: { id: 'a', key: 'b' } }),
    'The login for this machine cannot be read.',
  ],
])('a Viam application with a wrong cookie says so: %s', async (_what, cookie, words) => {
  const { page, errors, strangers } = await visit(browser, machine);
  const value = cookie?.startsWith('%') === true ? cookie : cookie && encodeURIComponent(cookie);
  if (value !== undefined)
    await page.context().addCookies([{ name: MACHINE_ID, value, url: machine.origin }]);
  await page.goto(`${machine.origin}/machine/${MACHINE_ID}/`);

  await page.getByText(words).waitFor();
  expect(await page.getByRole('link', { name: 'Pick a machine' }).getAttribute('href')).toBe('/');
  expect(await violations(page)).toEqual([]);
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});

test('on a site of its own the page asks for an address, and remembers it but no key', async () => {
  const { page, errors } = await visit(browser, machine);
  await page.goto(machine.origin);
  await page.getByRole('heading', { name: 'Which machine runs the billing module?' }).waitFor();
  expect(await violations(page)).toEqual([]);
  await page.getByLabel('Address').fill(machine.origin);
  await page.getByLabel('ID', { exact: true }).fill('an-id');
  await page.getByLabel('Key', { exact: true }).fill('a-secret');
  await page.getByRole('button', { name: 'Connect' }).click();
  await settled(page);

  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
  expect(kept).toContain(machine.origin);
  expect(kept).not.toContain('a-secret');
  await page.reload();
  await settled(page);
  expect(await page.locator('main .figure').first().textContent()).toMatch(/^\$/);
  expect(errors).toEqual([]);
});

test('where the browser lets the page keep nothing, it asks the machine all the same', async () => {
  const { page, errors } = await visit(browser, machine);
  await page.addInitScript(() => {
    Object.defineProperty(globalThis, 'localStorage', {
      get: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    });
  });
  await open(page, machine, 'month');
  expect(await page.locator('main .figure').first().textContent()).toMatch(/^\$/);
  expect(errors).toEqual([]);
});

test('amounts of six digits do not run into each other, at the width where columns are narrowest', async () => {
  const { page } = await visit(browser, machine, { viewport: { width: 768, height: 900 } });
  await open(page, machine, 'month');
  const past = () =>
    page.locator('.figures > div').evaluateAll((cells) =>
      cells.map((cell) => {
        const text = document.createRange();
        text.selectNodeContents(cell.querySelector('.figure') ?? cell);
        return text.getBoundingClientRect().right - cell.getBoundingClientRect().right;
      }),
    );
  // The page tells the design how long its figure is; here a longer one is put in its place.
  const told = await page
    .locator('.figures')
    .evaluate((figures) => (figures as HTMLElement).style.getPropertyValue('--long'));
  expect(Number(told)).toBe((await page.locator('.figure').first().innerText()).trim().length);
  const long = '$107,770.80';
  await page.locator('.figures').evaluate((figures, text) => {
    (figures as HTMLElement).style.setProperty('--long', String(text.length));
    const first = figures.querySelector('.figure');
    if (first) first.textContent = text;
  }, long);
  expect(Math.max(...(await past()))).toBeLessThanOrEqual(1);
});

test('a service of another name can be named, and the page says which one does not answer', async () => {
  const { page } = await visit(browser, machine);
  await page.goto(`${machine.page}&service=costs`);
  await page.getByText('No service “costs” answers on this machine.').waitFor();
  await page.getByLabel('Is its name another one?').fill('billing');
  await page.getByRole('button', { name: 'Use this name' }).click();
  await settled(page);
  expect(await page.locator('main .figure').first().textContent()).toMatch(/^\$/);
});

test('a location is picked by keyboard alone, is in the address, and the back button leaves it', async () => {
  const { page, errors } = await visit(browser, machine);
  await open(page, machine, 'month');
  const first = await page.locator('main .figure').first().textContent();
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the figures');
  await page.getByRole('button', { name: /Location/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('combobox').waitFor();
  await page.getByRole('option', { name: /Pier 7/ }).waitFor();
  await page.keyboard.type('pier');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash.includes('location=pier7hl001'));
  await settled(page);
  const other = await page.locator('main .figure').first().textContent();
  expect(other).not.toBe(first);

  await page.reload();
  await settled(page);
  expect(await page.locator('main .figure').first().textContent()).toBe(other);
  await page.goBack();
  await page.waitForFunction(() => !location.hash.includes('location'));
  await settled(page);
  expect(await page.locator('main .figure').first().textContent()).toBe(first);
  expect(errors).toEqual([]);
});

test('after a change of view the keyboard goes on in it', async () => {
  const { page } = await visit(browser, machine);
  await open(page, machine, 'month');
  await page.getByRole('link', { name: 'Health' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Health', level: 1 }).waitFor();
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  expect(await page.title()).toBe('Health · Billing');
  await page.goBack();
  await settled(page);
  expect(await heading(page)).not.toBe('Health');
});
