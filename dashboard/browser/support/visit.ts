/** A visit to the page in Chromium, which notes what no visit may have: errors on the console, requests to others. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page, type Request } from 'playwright-core';
import { onTestFinished } from 'vitest';
import type { Machine } from './machine';
import { TELL, watchWire } from './wire';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const WAIT_MS = 10_000;
const ANSWER_MS = 40_000;

/** Built pictures, to look at. */
export const SCREENS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'screens');

export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? PLACES.find(existsSync);
  if (executablePath === undefined) throw new Error('no Chromium: name one in CHROMIUM');
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
}

export interface Visit {
  readonly page: Page;
  /** Errors and warnings on the console, exceptions, and what the content security policy stopped. */
  readonly errors: string[];
  /** Requests to anything but the machine, and Viam on the way to it. */
  readonly strangers: string[];
  /** Commands asked so far; those of them that are not answered yet, and connections on their way. */
  readonly asked: { count: number; pending: number };
}

export interface Wishes extends BrowserContextOptions {
  /** The clock goes on by `page.clock.fastForward`, so that nobody waits for the next minute. */
  clock?: boolean;
}

/** By gRPC-web; the stream of signaling, which lasts, apart. */
const isCall = (request: Request) =>
  request.method() === 'POST' && !request.url().endsWith('.SignalingService/Call');
const isCommand = (request: Request) => request.url().endsWith('/DoCommand');

/** A visit with nothing kept from another one, which ends with the test. Nothing is loaded yet. */
export async function visit(browser: Browser, machine: Machine, wishes: Wishes = {}): Promise<Visit> {
  const { clock = false, ...options } = wishes;
  const context = await browser.newContext({
    locale: 'en-US',
    reducedMotion: 'reduce',
    viewport: { width: 1440, height: 900 },
    ...machine.context,
    ...options,
  });
  // A page that stays open goes on asking, and takes the time of the tests after it.
  onTestFinished(() => context.close());
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  if (clock) await page.clock.install();
  const errors: string[] = [];
  const strangers: string[] = [];
  const asked = { count: 0, pending: 0 };
  const { hosts } = machine;
  await page.exposeFunction(TELL, (what: 'command' | 'way', by: number) => {
    asked.pending += by;
    if (what === 'command' && by > 0) asked.count += 1;
  });
  await page.addInitScript(watchWire);
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (isCommand(request)) asked.count += 1;
    if (isCall(request)) asked.pending += 1;
    if (!hosts.includes(url.origin) && !['data:', 'blob:'].includes(url.protocol))
      strangers.push(request.url());
  });
  for (const end of ['requestfinished', 'requestfailed'] as const)
    page.on(end as 'requestfinished', (request) => {
      if (isCall(request)) asked.pending -= 1;
    });
  return { page, errors, strangers, asked };
}

/** Waits until a view is shown with all its answers, of a machine that is quick or slow. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main h1').waitFor();
  await page.locator('main .loading').first().waitFor({ state: 'detached', timeout: ANSWER_MS });
}

/** Goes to another address within an open page, as a link does, and waits until its view has its answers. */
export async function go(page: Page, hash: string): Promise<void> {
  await page.evaluate(
    (to) =>
      new Promise((resolve) => {
        addEventListener('hashchange', resolve, { once: true });
        location.hash = to;
      }),
    `#/${hash}`,
  );
  await settled(page);
}

/** Opens a view, by its address, and waits until it has its answers. */
export async function open(page: Page, machine: Machine, hash = ''): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${machine.page}${hash && `#/${hash}`}`);
  await settled(page);
}

/** An amount as the page shows it, with its cents or without. */
export function dollars(amount: number, digits = 2): string {
  const options = { style: 'currency', currency: 'USD', maximumFractionDigits: digits } as const;
  return amount.toLocaleString('en-US', { ...options, minimumFractionDigits: digits });
}
