/** How the page is built: relative paths, the SDK as a chunk of its own, a view's code only when it is opened. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vitest/config';
import { licences } from './scripts/licences.ts';
import { trim } from './scripts/trim.ts';

/** What every view uses, and the first view, which is fetched anyway: one chunk packs better than a handful. */
const SHARED = /\/node_modules\/(?!@)|\/src\/(?!views\/(?!month\/)[^/]+\/(?!view\.ts)|machine\/link\.ts)/;

/** Lets the browser fetch the SDK beside the page's own code, not after it; comments stay in the sources. */
function finish(): Plugin {
  return {
    name: 'finish-html',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const sdk = Object.values(bundle ?? {}).find(
          (chunk) => chunk.type === 'chunk' && chunk.facadeModuleId?.endsWith('machine/link.ts'),
        );
        if (!sdk) throw new Error('The SDK is not in a chunk of its own.');
        const attrs = { rel: 'modulepreload', crossorigin: true, href: `./${sdk.fileName}` };
        return {
          html: html.replace(/\n\s*<!--[\s\S]*?-->/g, ''),
          tags: [{ tag: 'link', attrs, injectTo: 'head' }],
        };
      },
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [trim(), svelte(), finish(), licences()],
  build: {
    target: 'es2022',
    modulePreload: false,
    // All styles in one file take less than each view's apart; a view is not drawn before its styles.
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      // To read a property does nothing else here; without this unused parts of the SDK stay in.
      treeshake: { propertyReadSideEffects: false },
      output: { codeSplitting: { groups: [{ name: 'shared', test: SHARED }] } },
    },
  },
  test: { environment: 'happy-dom', include: ['tests/**/*.test.ts'] },
  resolve: process.env['VITEST'] ? { conditions: ['browser'] } : {},
});
