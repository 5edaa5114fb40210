/** The time of a visit with `clock`: it passes when a test says so. */
import { expect } from 'vitest';
import type { Visit } from './visit';

/** After so long everything is asked again. */
export const LATER_MS = 61_000;

/** Lets minutes pass until something is so; none while the page waits for an answer. */
export async function later({ page, asked }: Visit, so: () => Promise<boolean>): Promise<void> {
  await expect
    .poll(async () => {
      if (asked.pending === 0) await page.clock.fastForward(LATER_MS);
      return so();
    })
    .toBe(true);
}

/** Lets a minute pass and waits until everything has been asked again and answered. */
export async function refreshed({ page, asked }: Visit): Promise<void> {
  await expect.poll(() => asked.pending).toBe(0);
  const { count } = asked;
  await page.clock.fastForward(LATER_MS);
  await expect.poll(() => asked.count > count && asked.pending === 0).toBe(true);
}
