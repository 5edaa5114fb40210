/**
 * Takes the pictures of docs/dashboard.md anew: `npm run pictures`, after `npm run build` and `./setup.sh --dev`. Each is of
 * a stand-in machine with its own scene; CHROMIUM names another browser.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBrowser, startMachine } from './machine.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const PICTURES = [
  { name: 'month', scene: 'over-budget', width: 960, height: 800 },
  { name: 'charges', scene: 'unknown-charge', width: 960, height: 520 },
  { name: 'fleet', scene: 'steady', width: 960, height: 480 },
  { name: 'phone', view: 'month', scene: 'steady', width: 320, height: 640 },
];

const browser = await startBrowser();
for (const { name, view = name, scene, width, height } of PICTURES) {
  const machine = await startMachine(scene, join(root, 'dashboard', 'dist'));
  const { address } = machine;
  const page = await browser.newPage({
    viewport: { width, height },
    locale: 'en-US',
    reducedMotion: 'reduce',
  });
  await page.goto(`${address}/?host=${new URL(address).host}#/${view}`);
  await page.locator('main h1').waitFor();
  await page.locator('main .loading').first().waitFor({ state: 'detached' });
  if ((await page.locator('nav [aria-current]').getAttribute('href'))?.includes(`#/${view}`))
    await page.screenshot({ path: join(root, 'docs', `dashboard-${name}.png`) });
  else console.error(`no view ${view}: its picture is left as it is`);
  await page.close();
  await machine.stop();
}
await browser.close();
