/** How the page is built: relative paths, the SDK as a chunk of its own, a view's code only when it is opened. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vitest/config';
import { licences } from './scripts/licences.ts';

/** Lets the browser fetch the SDK and the first view beside the page's own code, not after it. */
function preload(): Plugin {
  const wanted = /(?:machine\/link\.ts|views\/month\/Month\.svelte)$/;
  return {
    name: 'preload-early-chunks',
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        const chunks = Object.values(bundle ?? {}).flatMap((chunk) =>
          chunk.type === 'chunk' ? [chunk] : [],
        );
        const first = chunks.filter((chunk) => wanted.test(chunk.facadeModuleId ?? ''));
        const entry = new Set(
          chunks.filter((chunk) => chunk.isEntry).flatMap((chunk) => [chunk.fileName, ...chunk.imports]),
        );
        const names = new Set(first.flatMap((chunk) => [chunk.fileName, ...chunk.imports]));
        const early = [...names].filter((name) => !entry.has(name));
        const styles = new Set(
          chunks.flatMap((chunk) =>
            early.includes(chunk.fileName) ? [...(chunk.viteMetadata?.importedCss ?? [])] : [],
          ),
        );
        const link = (attrs: Record<string, string>, name: string) =>
          ({
            tag: 'link',
            attrs: { ...attrs, crossorigin: true, href: `./${name}` },
            injectTo: 'head',
          }) as const;
        return [
          ...early.map((name) => link({ rel: 'modulepreload' }, name)),
          ...[...styles].map((name) => link({ rel: 'stylesheet' }, name)),
        ];
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
