/** What the scripts that look at the built page have in common: a stand-in machine that serves it, and Chromium. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A machine with a scene and a folder of pages. @param {string} scene @param {string} folder */
export async function startMachine(scene, folder) {
  const machine = spawn(
    join(root, '.venv', 'bin', 'python'),
    ['-m', 'viam_billing_sandbox.machine', '--scene', scene, '--page', folder, '--direct'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let address = '';
  for await (const line of createInterface({ input: machine.stdout })) {
    address = /^machine ready: (.*)/.exec(line)?.[1] ?? '';
    if (address !== '') break;
  }
  return {
    address,
    async stop() {
      machine.kill();
      await once(machine, 'exit');
    },
  };
}

export function startBrowser() {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
}

/** @param {number[]} values */
export const median = (values) =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
