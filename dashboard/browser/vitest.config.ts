/** Tests of the built page in a real browser: a file at a time for each processor, as each has a machine and a browser. */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    dir: 'browser',
    include: ['**/*.test.ts'],
    environment: 'node',
    maxWorkers: Math.min(availableParallelism(), 4),
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
