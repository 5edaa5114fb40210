/** What changes something: it asks first, shows what it sends, sends it once, and tells what became of it. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from './support/checks';
import { Machine, WAYS, type Way } from './support/machine';
import { open, startBrowser, visit } from './support/visit';

const NEVER_MADE = 'job-000121';

let browser: Browser;
/** Each settles the charge once. */
let machines: Record<Way, Machine>;

beforeAll(async () => {
  const [started, direct, webrtc] = await Promise.all([
    startBrowser(),
    Machine.start('unknown-charge'),
    Machine.start('unknown-charge'),
  ]);
  browser = started;
  machines = { direct, webrtc };
});

afterAll(async () => {
  await Promise.all([browser.close(), machines.direct.stop(), machines.webrtc.stop()]);
});

test('a change that fails stays in its dialog, with the words of the module', async () => {
  const machine = machines.direct;
  const { page, errors } = await visit(browser, machine);
  await open(page, machine, 'charges');
  await page.getByRole('button', { name: `Settle… ${NEVER_MADE}` }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('It was charged: the invoice is there').check();
  await dialog.getByLabel('Its invoice, where you know it').fill('FW-of-somebody-else');
  await dialog.getByLabel('Who found it out, and how').fill('Ann');
  await machine.does('StopModule');
  await dialog.getByRole('button', { name: 'Settle as charged' }).click();
  await dialog.getByText('It is not known whether this has arrived.').waitFor();
  await machine.does('StartModule');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  expect(errors).toEqual([]);
});

test('invoices are looked for on demand, and the page says what was found', async () => {
  const machine = machines.direct;
  const { page, errors } = await visit(browser, machine);
  await open(page, machine, 'charges');
  await page.getByRole('button', { name: 'Look for invoices now…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Look now' }).click();
  await page.getByText('No charge could be settled. 2 still unknown.').waitFor();
  expect(errors).toEqual([]);
});

test.each(WAYS)(
  'an unknown charge is settled after a confirmation that shows what is sent: %s',
  async (way) => {
    const machine = machines[way];
    await machine.by(way);
    const { page, errors, strangers, asked } = await visit(browser, machine, {
      viewport: { width: 320, height: 640 },
    });
    await open(page, machine, 'charges');
    const unknown = page.locator('section[aria-label="Charges in figures"] .figure').first();
    expect(await unknown.innerText()).toBe('2');

    await page.getByRole('button', { name: `Settle… ${NEVER_MADE}` }).click();
    const dialog = page.getByRole('dialog');
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await unknown.innerText()).toBe('2');

    await page.getByRole('button', { name: `Settle… ${NEVER_MADE}` }).click();
    const before = asked.count;
    await dialog.getByRole('button', { name: 'Settle', exact: true }).click();
    expect(asked.count, 'without an outcome nothing is sent').toBe(before);
    await dialog.getByLabel('It was not charged: there is no invoice').check();
    await dialog.getByText('Do not hurry:').waitFor();
    await dialog.getByLabel('Who found it out, and how').fill('Ann, in the Viam app');
    expect(JSON.parse(await dialog.locator('pre').innerText())).toEqual({
      resolve_charge: { idempotency_key: NEVER_MADE, outcome: 'failed', note: 'Ann, in the Viam app' },
    });
    expect(await violations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Settle as not charged' }).dblclick();

    await page.getByText(`${NEVER_MADE} is settled: not charged.`).waitFor();
    await expect.poll(() => unknown.innerText()).toBe('1');
    await page.getByRole('button', { name: `Settle… ${NEVER_MADE}` }).waitFor({ state: 'detached' });
    await expect.poll(() => page.locator('li', { hasText: 'resolve_charge' }).count()).toBe(1);
    await open(page, machine, `charges?id=${NEVER_MADE}`);
    expect(await page.locator('main').innerText()).toContain('Ann, in the Viam app');
    const { entries } = await machine.ask('get_audit_log', {});
    expect(entries.filter(({ command }) => command === 'resolve_charge')).toHaveLength(1);
    expect(errors).toEqual([]);
    expect(strangers).toEqual([]);
  },
);
