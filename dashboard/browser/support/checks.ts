/** What can be told of a page by a script: axe's rules, how far it moved, how wide it is. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Locator, Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** All that axe knows, with targets of at least 24 px, which it leaves out by default. */
const EVERYTHING = { rules: { 'target-size': { enabled: true } } };
const COLORS = { runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } };

/** What axe finds, a line for each: the rule and where. */
export async function violations(page: Page, rules: object = EVERYTHING): Promise<string[]> {
  // By the debugger, which the page's content security policy does not stop.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  const { violations: found } = await page.evaluate(
    (asked) =>
      (globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run({
        resultTypes: ['violations'],
        ...asked,
      }),
    rules,
  );
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id} (${help}): ${node.target.join(' ')}`),
  );
}

/** How far the page's parts have moved by themselves since it was opened, as browsers add it up. */
export function layoutShift(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let sum = 0;
        const observer = new PerformanceObserver((list) => {
          for (const entry of list.getEntries() as (PerformanceEntry & {
            value: number;
            hadRecentInput: boolean;
          })[])
            if (!entry.hadRecentInput) sum += entry.value;
        });
        observer.observe({ type: 'layout-shift', buffered: true });
        // What has been painted is told a task later.
        requestAnimationFrame(() =>
          setTimeout(() => {
            observer.disconnect();
            resolve(sum);
          }, 0),
        );
      }),
  );
}

/** By how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Text of another size, in per cent, all else as it was. */
export async function textZoom(page: Page, percent: number): Promise<void> {
  await page.evaluate((size) => {
    document.documentElement.style.fontSize = `${size}%`;
  }, percent);
}

export type Theme = 'light' | 'dark';

/** What axe finds in each theme: everything in one, in the other what its colors make of it. */
export async function violationsInBothThemes(
  page: Page,
  seen: (theme: Theme) => Promise<unknown> = () => Promise.resolve(),
): Promise<string[]> {
  const found: string[] = [];
  for (const [colorScheme, rules] of [
    ['dark', COLORS],
    ['light', EVERYTHING],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await seen(colorScheme);
    found.push(...(await violations(page, rules)).map((line) => `${colorScheme}: ${line}`));
  }
  return found;
}

/** Whether what is typed goes there. */
export function hasFocus(locator: Locator): Promise<boolean> {
  return locator.evaluate((element) => element === document.activeElement);
}
