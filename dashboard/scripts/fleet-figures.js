/**
 * Measures the fleet with 10,000 locations: from the answer until the table is drawn, from a key stroke of a search and
 * from a click on a heading until what they change is drawn. `npm run figures`; it judges nothing.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, startBrowser, startMachine } from './machine.js';

const TIMES = 9;
const SEARCHED = 'location 98';

/** @typedef {{ drawn: (since: number) => void, took: number[], shownAfter?: number }} Watch */

const machine = await startMachine(
  'fleet-10000',
  join(dirname(fileURLToPath(import.meta.url)), '..', 'dist'),
);
const browser = await startBrowser();
const url = `${machine.address}/?host=${new URL(machine.address).host}#/fleet`;

/** A page that notes how long after an event the next picture stands. */
async function open() {
  const page = await browser.newPage();
  await page.addInitScript(() => {
    /** @type {Watch} */
    const watch = { took: [], drawn: () => undefined };
    /** @param {(now: number) => void} tell */
    const afterPicture = (tell) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          tell(performance.now());
        };
        port2.postMessage(undefined);
      });
    };
    for (const kind of ['input', 'click'])
      addEventListener(
        kind,
        ({ timeStamp }) => {
          afterPicture((now) => watch.took.push(now - timeStamp));
        },
        { capture: true },
      );
    new MutationObserver((_changes, observer) => {
      if (!document.querySelector('[role=table] .rows [role=row]')) return;
      observer.disconnect();
      afterPicture((now) => {
        const answers = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType('resource'));
        const largest = answers
          .filter(({ name }) => name.endsWith('/DoCommand'))
          .toSorted((one, other) => other.transferSize - one.transferSize)[0];
        watch.shownAfter = now - (largest?.responseEnd ?? NaN);
      });
    }).observe(document, { childList: true, subtree: true });
    Object.assign(globalThis, { watch });
  });
  await page.goto(url);
  await page.waitForFunction(
    () =>
      /** @type {{ watch: Watch }} */ (/** @type {unknown} */ (globalThis)).watch.shownAfter !== undefined,
    undefined,
    { timeout: 90_000 },
  );
  return page;
}

/** @param {import('playwright-core').Page} page @param {() => Promise<void>} act */
async function timed(page, act) {
  const before = await took(page);
  await act();
  await page.waitForFunction(
    (count) =>
      /** @type {{ watch: Watch }} */ (/** @type {unknown} */ (globalThis)).watch.took.length > count,
    before.length,
  );
  return (await took(page)).at(-1) ?? NaN;
}

/** @param {import('playwright-core').Page} page */
const took = (page) =>
  page.evaluate(() => /** @type {{ watch: Watch }} */ (/** @type {unknown} */ (globalThis)).watch.took);

/** @type {{ shown: number[], keys: number[], sorts: number[] }} */
const times = { shown: [], keys: [], sorts: [] };
let nodes = 0;
for (let count = 0; count < TIMES; count++) {
  const page = await open();
  times.shown.push(
    (await page.evaluate(
      () => /** @type {{ watch: Watch }} */ (/** @type {unknown} */ (globalThis)).watch.shownAfter,
    )) ?? NaN,
  );
  for (const name of ['Payer, location', 'Machines', 'To date', 'Projected'])
    times.sorts.push(await timed(page, () => page.getByRole('button', { name, exact: true }).click()));
  await page.getByRole('searchbox', { name: 'Search payers and locations' }).focus();
  for (const key of SEARCHED) times.keys.push(await timed(page, () => page.keyboard.press(key)));
  for (const key of Array.from(SEARCHED, () => 'Backspace'))
    times.keys.push(await timed(page, () => page.keyboard.press(key)));
  nodes = Math.max(nodes, await page.locator('*').count());
  await page.close();
}
await browser.close();
await machine.stop();

/** @param {string} what @param {number[]} values @param {number} bar */
function tell(what, values, bar) {
  const [middle, slowest] = [median(values), Math.max(...values)].map((ms) => ms.toFixed(0).padStart(4));
  console.log(`${what.padEnd(34)}${middle} ms, slowest ${slowest} ms  (bar: ${bar})`);
}
console.log('10,000 locations');
tell('table drawn after the answer', times.shown, 300);
tell('a key stroke of a search', times.keys, 50);
tell('a sort', times.sorts, 100);
console.log(`${'nodes'.padEnd(34)}${String(nodes).padStart(4)}  (bar: 2,000)`);
