/**
 * Every view with all its answers, in three widths and both themes: axe finds nothing, nothing moves, nothing is wider
 * than the window, with text of twice the size neither, nobody but the machine is asked. The pictures stay in
 * `screens/`, to be looked at.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { layoutShift, overflow, textZoom, violationsInBothThemes, type Theme } from './support/checks';
import { Machine, type Scene } from './support/machine';
import { SCREENS, go, open, startBrowser, visit } from './support/visit';

const WIDTHS = [320, 768, 1440];
const views = readdirSync(join(import.meta.dirname, '..', 'src', 'views')).filter(
  (name) => !name.includes('.'),
);
/** Where the views have most to show. */
const SCENES = { charges: 'unknown-charge', others: 'overdue' } as const;

let browser: Browser;
const machines = new Map<Scene, Machine>();

beforeAll(async () => {
  mkdirSync(SCREENS, { recursive: true });
  [browser] = await Promise.all([
    startBrowser(),
    ...Object.values(SCENES).map(async (scene) => machines.set(scene, await Machine.start(scene))),
  ]);
});

afterAll(async () => {
  await Promise.all([browser.close(), ...[...machines.values()].map((machine) => machine.stop())]);
});

test.each(
  WIDTHS.flatMap((width) => [
    { width, scene: SCENES.others, names: views.filter((name) => name !== 'charges') },
    { width, scene: SCENES.charges, names: ['charges'] },
  ]),
)('at $width pixels: $names', async ({ width, scene, names }) => {
  const machine = machines.get(scene);
  if (!machine) throw new Error(`no machine for ${scene}`);
  const { page, errors, strangers } = await visit(browser, machine, { viewport: { width, height: 900 } });
  await open(page, machine, names[0]);
  let moved = 0;
  for (const name of names) {
    if (name !== names[0]) await go(page, name);
    const sum = await layoutShift(page);
    expect(sum - moved, `${name} moves`).toBeLessThan(0.02);
    moved = sum;
    expect(await overflow(page), `${name} is too wide`).toBe(0);
    const picture = (theme: Theme) =>
      page.screenshot({ path: join(SCREENS, `${name}-${width}-${theme}.png`), fullPage: true });
    expect(await violationsInBothThemes(page, picture), name).toEqual([]);
  }
  // From the view that is shown back to the first one.
  await textZoom(page, 200);
  for (const name of width === Math.min(...WIDTHS) ? names.toReversed() : []) {
    if (name !== names.at(-1)) await go(page, name);
    expect(await overflow(page), `${name} is too wide with large text`).toBe(0);
    await page.screenshot({ path: join(SCREENS, `${name}-${width}-large.png`), fullPage: true });
  }
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
});
