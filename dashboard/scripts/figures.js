/**
 * Measures the time from navigation to the month's figure, next to a page that only asks the same by the SDK: medians of 9
 * visits with an empty cache, in turn. `npm run figures`, after `npm run build` and `./setup.sh --dev`. It judges nothing:
 * how fast this machine is says nothing of the page.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { median, startBrowser, startMachine } from './machine.js';

const VISITS = 9;
const here = dirname(fileURLToPath(import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'vb-figures-'));
cpSync(join(here, '..', 'dist'), folder, { recursive: true });
await build({
  configFile: false,
  root: join(here, 'empty'),
  base: './',
  logLevel: 'warn',
  build: { outDir: join(folder, 'empty'), target: 'es2022', emptyOutDir: true },
});
const machine = await startMachine('steady', folder);
const browser = await startBrowser();
const { address } = machine;

/** Milliseconds from navigation until a figure is in the page. @param {string} url */
async function visit(url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    const seen = /** @type {{ figureAt?: number }} */ (globalThis);
    new MutationObserver(() => {
      if (/\d/.test(document.querySelector('.figure')?.textContent ?? ''))
        seen.figureAt ??= performance.now();
    }).observe(document, { childList: true, subtree: true, characterData: true });
  });
  await page.goto(url);
  await page.waitForFunction(() => 'figureAt' in globalThis);
  const ms = await page.evaluate(() => /** @type {{ figureAt?: number }} */ (globalThis).figureAt ?? NaN);
  await context.close();
  return ms;
}

const pages = {
  dashboard: `${address}/?host=${new URL(address).host}#/month`,
  empty: `${address}/empty/`,
};
/** @type {{ dashboard: number[], empty: number[] }} */
const times = { dashboard: [], empty: [] };
for (const url of Object.values(pages)) await visit(url);
for (let count = 0; count < VISITS; count++) {
  times.dashboard.push(await visit(pages.dashboard));
  times.empty.push(await visit(pages.empty));
}
await browser.close();
await machine.stop();
rmSync(folder, { recursive: true });

const [page, empty] = [median(times.dashboard), median(times.empty)];
console.log(`navigation to the month's figure  ${page.toFixed(0)} ms  (bar: 400)`);
console.log(`a page that only asks the same    ${empty.toFixed(0)} ms`);
console.log(`ratio                             ${(page / empty).toFixed(2)}  (bar: 1.3)`);
