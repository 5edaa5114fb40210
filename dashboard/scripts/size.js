/**
 * Says what the built page weighs, gzip, and fails above the bars: all views without the SDK, everything, and the first
 * view, which must not bring another view's code.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const KB = 1000;
const BARS = { page: 60 * KB, all: 115 * KB };

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const names = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.(?:html|js|css)$/.test(name),
);
const sizes = new Map(
  names.map((name) => [name, gzipSync(readFileSync(join(dist, name)), { level: 9 }).length]),
);

/** @param {(name: string) => boolean} counts */
const sum = (counts) => names.filter(counts).reduce((total, name) => total + (sizes.get(name) ?? 0), 0);
/** @param {string} name */
const isSdk = (name) => /^assets\/link-[\w-]+\.js$/.test(name);

const html = readFileSync(join(dist, 'index.html'), 'utf8');
const first = new Set([...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((match) => match[1] ?? ''));
const page = sum((name) => !isSdk(name));
const all = sum(() => true);
const others = readdirSync(join(dist, '..', 'src', 'views'))
  .filter((name) => !name.includes('.') && name !== 'month')
  .map((name) => name.charAt(0).toUpperCase() + name.slice(1));
const strangers = [...first].filter((name) => others.some((view) => name.startsWith(`assets/${view}-`)));

/** @param {number} bytes */
const kb = (bytes) => `${(bytes / KB).toFixed(1)} kB`;
console.log(`page without the SDK, all views  ${kb(page)}  (at most ${kb(BARS.page)})`);
console.log(`with the SDK                     ${kb(all)}  (at most ${kb(BARS.all)})`);
console.log(
  `first view, without the SDK      ${kb(sum((name) => !isSdk(name) && (name === 'index.html' || first.has(name))))}`,
);

const faults = [
  ...(page > BARS.page ? ['The page is too large.'] : []),
  ...(all > BARS.all ? ['The page with the SDK is too large.'] : []),
  ...(names.some(isSdk) ? [] : ['The SDK is not in a chunk of its own.']),
  ...strangers.map((name) => `The first view brings ${name}.`),
];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
