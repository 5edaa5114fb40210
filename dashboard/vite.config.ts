/** How the page is built: relative paths, the SDK as a chunk of its own, a view's code only when it is opened. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vitest/config';
import { licences } from './scripts/licences.ts';

/** Lets the browser fetch the SDK and the first view beside the page's own code, not after it. */
function preload(): Plugin {
  const early = /(?:machine\/link\.ts|views\/month\/Month\.svelte)$/;
  return {
    name: 'preload-early-chunks',
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        const chunks = Object.values(bundle ?? {}).flatMap((chunk) =>
          chunk.type === 'chunk' ? [chunk] : [],
        );
        const first = chunks.filter((chunk) => early.test(chunk.facadeModuleId ?? ''));
        const entry = new Set(
          chunks.filter((chunk) => chunk.isEntry).flatMap((chunk) => [chunk.fileName, ...chunk.imports]),
        );
        const names = new Set(first.flatMap((chunk) => [chunk.fileName, ...chunk.imports]));
        return [...names]
          .filter((name) => !entry.has(name))
          .map((name) => ({
            tag: 'link',
            attrs: { rel: 'modulepreload', crossorigin: true, href: `./${name}` },
            injectTo: 'head',
          }));
      },
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), preload(), licences()],
  build: { target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  test: { environment: 'happy-dom', include: ['tests/**/*.test.ts'] },
  resolve: process.env['VITEST'] ? { conditions: ['browser'] } : {},
});
