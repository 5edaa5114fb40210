/**
 * Every view with all its answers, in three widths and both themes: axe finds nothing, nothing moves, nothing is wider
 * than the window, nobody but the machine is asked. The pictures stay in `screens/`, to be looked at.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layoutShift, overflow, violations } from './support/checks';
import { Machine, type Scene } from './support/machine';
import { SCREENS, open, startBrowser, visit } from './support/visit';

const WIDTHS = [320, 768, 1440];
const THEMES = ['light', 'dark'] as const;
const views = readdirSync(join(import.meta.dirname, '..', 'src', 'views')).filter(
  (name) => !name.includes('.'),
);
/** Where a view has most to show. */
const SCENES: Record<string, Scene> = { charges: 'unknown-charge', invoices: 'overdue' };

let browser: Browser;
const machines = new Map<Scene, Machine>();

beforeAll(async () => {
  mkdirSync(SCREENS, { recursive: true });
  const scenes = [...new Set(views.map((view) => SCENES[view] ?? 'steady'))];
  [browser] = await Promise.all([
    startBrowser(),
    ...scenes.map(async (scene) => machines.set(scene, await Machine.start(scene))),
  ]);
});

afterAll(async () => {
  await Promise.all([browser.close(), ...[...machines.values()].map((machine) => machine.stop())]);
});

function machineOf(view: string): Machine {
  const machine = machines.get(SCENES[view] ?? 'steady');
  if (!machine) throw new Error(`no machine for ${view}`);
  return machine;
}

describe.each(views)('%s', (view) => {
  test.each(WIDTHS)('at %i pixels', async (width) => {
    const machine = machineOf(view);
    const { page, errors, strangers } = await visit(browser, machine, { viewport: { width, height: 900 } });
    await open(page, machine, view);

    expect(await layoutShift(page)).toBeLessThan(0.02);
    expect(await overflow(page)).toBe(0);
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(SCREENS, `${view}-${width}-${colorScheme}.png`), fullPage: true });
      expect(await violations(page)).toEqual([]);
    }
    expect(errors).toEqual([]);
    expect(strangers).toEqual([]);
  });
});
