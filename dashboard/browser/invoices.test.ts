/** Invoices: what is owed by age, what needs somebody first, one status at a time, their PDFs; by keyboard alone. */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasFocus, layoutShift, violations, violationsInBothThemes } from './support/checks';
import { refreshed } from './support/clock';
import { Machine, REAL_WAYS, WAYS } from './support/machine';
import { dollars, open, settled, startBrowser, visit } from './support/visit';

const FLEET_WORKS = '6f1c2d3e-4b5a-4c69-9d78-1a2b3c4d5e6f';
const PDF_BYTES = 300_000;

let browser: Browser;
let machine: Machine;

beforeAll(async () => {
  [browser, machine] = await Promise.all([
    startBrowser(),
    Machine.start('overdue', { cache_ttl_s: 0, max_pdf_bytes: 400_000 }),
  ]);
  await machine.cloud('Patch', { organization: FLEET_WORKS, pdf_size_bytes: PDF_BYTES });
});

afterAll(async () => {
  await Promise.all([browser.close(), machine.stop()]);
});

const list = (page: Page) => page.getByRole('region', { name: 'All invoices' });
const ids = (page: Page) => list(page).getByRole('heading', { level: 3 }).allInnerTexts();

/** The PDF as the service gives it to somebody else. */
async function pdfOf(id: string): Promise<Buffer> {
  const { content_base64: content = '' } = await machine.ask('get_invoice_pdf', { invoice_id: id });
  const bytes = Buffer.from(content, 'base64');
  expect([bytes.length, bytes.subarray(0, 5).toString()]).toEqual([PDF_BYTES, '%PDF-']);
  return bytes;
}

describe.each(REAL_WAYS)('%s', (way) => {
  beforeEach(() => machine.by(way));

  test('what is owed stands by age; failed payments come first, then the oldest debt, then the newest', async () => {
    const told = await machine.ask('get_invoices_summary', {});
    const { page, errors, strangers } = await visit(browser, machine);
    await open(page, machine, 'invoices');
    const figures = page.getByRole('region', { name: 'Invoices in figures' });
    expect(await figures.locator('.figure').allInnerTexts()).toEqual([
      dollars(told.outstanding_balance),
      dollars(told.overdue_balance),
      '3',
    ]);
    const ages = ['not_due', 'days_1_30', 'days_31_60', 'days_61_90', 'over_90'] as const;
    expect(await figures.locator('.ages dd:nth-of-type(1)').allInnerTexts()).toEqual(
      ages.map((age) => dollars(told.aging[age])),
    );
    expect(told.aging.over_90).toBeGreaterThan(0);

    const debts = told.invoices.filter(({ status }) => status === 'outstanding');
    const failed = debts.filter(({ last_payment_failure_reason: reason }) => reason !== '');
    const overdue = debts.filter(
      (debt) => !failed.includes(debt) && Date.parse(debt.due_date ?? '') < Date.now(),
    );
    const rest = told.invoices.filter((each) => !failed.includes(each) && !overdue.includes(each));
    const by = (date: 'due_date' | 'invoice_date', group: typeof debts) =>
      group.toSorted((a, b) => Date.parse(a[date] ?? '') - Date.parse(b[date] ?? '')).map(({ id }) => id);
    expect([failed.length, overdue.length > 0, rest.length > 0]).toEqual([3, true, true]);
    expect(await ids(page)).toEqual([
      ...by('due_date', failed),
      ...by('due_date', overdue),
      ...by('invoice_date', rest).reverse(),
    ]);
    expect(
      await list(page)
        .getByText(/^Payment failed on .*: card_declined$/)
        .count(),
    ).toBe(1);
    expect(await list(page).getByText('Overdue', { exact: true }).count()).toBe(overdue.length);
    expect(await violationsInBothThemes(page)).toEqual([]);
    expect(errors).toEqual([]);
    expect(strangers).toEqual([]);
  });

  test('one status is shown at a time, as the address says', async () => {
    const { invoices } = await machine.ask('get_invoices_summary', {});
    const paid = invoices.filter(({ status }) => status === 'paid').map(({ id }) => id);
    const { page, errors } = await visit(browser, machine);
    await open(page, machine, 'invoices');
    const status = page.getByLabel('Status', { exact: true });
    await status.selectOption('Paid');
    expect(await ids(page)).toHaveLength(paid.length);
    expect(paid).toEqual(expect.arrayContaining(await ids(page)));
    expect(page.url()).toMatch(/#\/invoices\?status=paid$/);
    await page.reload();
    await settled(page);
    expect(await status.inputValue()).toBe('paid');
    expect(await ids(page)).toHaveLength(paid.length);
    await status.selectOption('Payment processing');
    await page.getByText('No invoice has this status').waitFor();
    expect(await violations(page)).toEqual([]);
    await status.selectOption('All');
    expect(await ids(page)).toHaveLength(invoices.length);
    expect(errors).toEqual([]);
  });

  test('a PDF is saved, and opened in a tab, with the bytes that the service gives', async () => {
    const { page, errors, strangers } = await visit(browser, machine);
    // The page may not read blobs by itself, and Chromium without a window has no viewer.
    await page.addInitScript(() => {
      const make = URL.createObjectURL.bind(URL);
      URL.createObjectURL = (blob: Blob) => {
        (globalThis as { made?: Blob }).made = blob;
        return make(blob);
      };
    });
    await open(page, machine, 'invoices');
    const [first = '', second = ''] = await ids(page);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: `Save the PDF of ${first}` }).click();
    const download = await saving;
    expect(download.suggestedFilename()).toBe(`invoice-${first}.pdf`);
    expect(readFileSync(await download.path()).equals(await pdfOf(first))).toBe(true);

    const opening = page.context().waitForEvent('page');
    await page.getByRole('button', { name: `Open PDF of ${second}` }).click();
    await opening;
    const opened = await page.evaluate(async () => {
      const blob = (globalThis as { made?: Blob }).made;
      return { type: blob?.type, bytes: [...new Uint8Array((await blob?.arrayBuffer()) ?? [])] };
    });
    expect(opened.type).toBe('application/pdf');
    expect(Buffer.from(opened.bytes).equals(await pdfOf(second))).toBe(true);
    expect(await page.locator('.failure').count()).toBe(0);
    expect(errors).toEqual([]);
    expect(strangers).toEqual([]);
  });

  test('a tab that the browser stops is offered as a link', async () => {
    const { page, errors } = await visit(browser, machine);
    await page.addInitScript(() => {
      globalThis.open = () => null;
    });
    await open(page, machine, 'invoices');
    const [id = ''] = await ids(page);
    await page.getByRole('button', { name: `Open PDF of ${id}` }).click();
    const link = page.getByRole('link', { name: 'Open it now' });
    await link.waitFor();
    expect(await link.getAttribute('href')).toMatch(/^blob:/);
    expect(await violationsInBothThemes(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('by keyboard alone: the status, a PDF opened and saved; a refresh leaves the focus', async () => {
    const seen = await visit(browser, machine, { clock: true });
    const { page, errors } = seen;
    await open(page, machine, 'invoices');
    const [first = '', second = ''] = await ids(page);
    const openPdf = (id: string) => page.getByRole('button', { name: `Open PDF of ${id}` });
    const savePdf = page.getByRole('button', { name: `Save the PDF of ${first}` });
    await page.getByRole('button', { name: /Location/ }).focus();
    await page.keyboard.press('Tab');
    const status = page.getByLabel('Status', { exact: true });
    expect(await hasFocus(status)).toBe(true);
    await page.keyboard.press('ArrowDown');
    expect(await status.inputValue()).toBe('outstanding');
    expect((await ids(page))[0]).toBe(first);
    await page.keyboard.press('Tab');
    expect(await hasFocus(openPdf(first))).toBe(true);
    const opening = page.context().waitForEvent('page');
    await page.keyboard.press('Enter');
    await (await opening).close();
    expect(await hasFocus(openPdf(first))).toBe(true);
    await page.keyboard.press('Tab');
    const saving = page.waitForEvent('download');
    await page.keyboard.press('Space');
    await saving;
    await refreshed(seen);
    expect(await hasFocus(savePdf)).toBe(true);
    await page.keyboard.press('Tab');
    expect(await hasFocus(openPdf(second))).toBe(true);
    expect(errors).toEqual([]);
  });
});

describe.each(WAYS)('with errors as %s gives them', (way) => {
  beforeEach(() => machine.by(way));

  test('a PDF that fails says why in its row, and comes when it is asked again; the others come', async () => {
    const { page, errors } = await visit(browser, machine);
    await open(page, machine, 'invoices');
    const [first = '', second = '', third = ''] = await ids(page);
    const row = (id: string) => list(page).getByRole('listitem').filter({ hasText: id });
    const save = (id: string) => page.getByRole('button', { name: `Save the PDF of ${id}` });
    await machine.fault({ rpc: 'GetInvoicePdf', status: 'NOT_FOUND', only_for: first });
    await machine.fault({ rpc: 'GetInvoicePdf', pdf_size_bytes: 500_000, only_for: second });
    await save(first).click();
    await row(first).getByText('not_found', { exact: true }).waitFor();
    await save(second).click();
    await row(second).getByText('This PDF is too large to be sent to a page.').waitFor();
    await row(second).getByText('result_too_large', { exact: true }).waitFor();
    expect(await page.locator('.failure').count()).toBe(2);
    expect(await violationsInBothThemes(page)).toEqual([]);
    for (const id of [third, first]) {
      const saving = page.waitForEvent('download');
      await save(id).click();
      await saving;
      await machine.cloud('ClearFaults');
    }
    expect(await row(first).locator('.failure').count()).toBe(0);
    expect(errors).toEqual([]);
  });
});

test('of many invoices a hundred are shown, and more by a button; of none it is said', async () => {
  await machine.by('direct');
  const seen = await visit(browser, machine, { clock: true, viewport: { width: 320, height: 900 } });
  const { page, errors } = seen;
  const many = Array.from({ length: 250 }, (_, number) => ({ id: `M-${number}`, amount: 1, months_ago: 1 }));
  await machine.cloud('Patch', { organization: FLEET_WORKS, invoices: many });
  await open(page, machine, 'invoices');
  expect(await ids(page)).toHaveLength(100);
  const more = page.getByRole('button', { name: 'Show more of 250' });
  await more.click();
  expect(await ids(page)).toHaveLength(200);
  await more.click();
  expect(await ids(page)).toHaveLength(250);
  expect(await more.count()).toBe(0);
  expect(await layoutShift(page)).toBeLessThan(0.02);

  await machine.cloud('Patch', { organization: FLEET_WORKS, invoices: [] });
  await refreshed(seen);
  await page.getByText('No invoices yet').waitFor();
  expect(await violationsInBothThemes(page)).toEqual([]);
  expect(errors).toEqual([]);
});
