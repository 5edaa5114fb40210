/**
 * Takes pictures of every view, in three widths and both themes, into `screens/`. `node scripts/screens.js URL [view...]`,
 * URL being the page's address with a machine behind it.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const WIDTHS = [320, 768, 1440];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [url, ...chosen] = process.argv.slice(2);
if (url === undefined) throw new Error('usage: node scripts/screens.js URL [view...]');
const views =
  chosen.length > 0 ? chosen : readdirSync(join(root, 'src', 'views')).filter((name) => !name.includes('.'));

mkdirSync(join(root, 'screens'), { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
});
for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of WIDTHS) {
    const page = await browser.newPage({
      viewport: { width, height: 900 },
      colorScheme,
      reducedMotion: 'reduce',
    });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') console.error(message.text());
    });
    page.on('pageerror', (error) => {
      console.error(error);
    });
    for (const view of views) {
      await page.goto(`${url}#/${view}`);
      await page.reload();
      await page.locator('main h1').waitFor();
      await page.locator('main .loading').first().waitFor({ state: 'detached' });
      await page.screenshot({
        path: join(root, 'screens', `${view}-${width}-${colorScheme}.png`),
        fullPage: true,
      });
    }
    await page.close();
  }
}
await browser.close();
