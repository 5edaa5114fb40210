/**
 * Tests of the built page in a real browser: a file at a time for each processor, as each has a machine and a browser.
 * Where VIAM_SERVER names a viam-server they run through it, but those that are about the stand-in's page and its size.
 */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'browser',
    include: ['**/*.test.ts'],
    exclude: process.env['VIAM_SERVER'] ? ['**/shell.test.ts', '**/large-fleet.test.ts'] : [],
    environment: 'node',
    maxWorkers: Math.min(availableParallelism(), 4),
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000, interval: 100 } },
  },
});
