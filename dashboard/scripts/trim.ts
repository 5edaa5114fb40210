/** Leaves out of what others have made the parts that this page never uses; what has changed or moved fails the build. */
import type { Plugin } from 'vite';

interface Cut {
  of: RegExp;
  /** Each is replaced wherever it stands. */
  parts: readonly (readonly [part: RegExp, instead: string])[];
}

const CUTS: readonly Cut[] = [
  {
    // `get armService() {...}` of the Viam SDK's RobotClient: each holds all messages of its service in the page.
    of: /@viamrobotics\/sdk\/dist\/main\.es\.js$/,
    parts: [
      [
        /\n {2}get (?!generic)\w+Service\(\) \{\n {4}return this\.\w+ \?\?= this\.createServiceClient\(\s*[\w$]+\s*\), this\.\w+;\n {2}\}/g,
        '',
      ],
    ],
  },
  {
    // Svelte's hydration of HTML that a server has made; here none has. A constant, so that the minifier sees it.
    of: /svelte\/src\/internal\/client\/dom\/hydration\.js$/,
    parts: [
      [/export let hydrating = false;/g, 'export const hydrating = false;'],
      [/\n\thydrating = value;/g, ''],
    ],
  },
  {
    // Vite's preloading around each `import()`: there is nothing to preload, and the page tells failures itself.
    of: /vite\/preload-helper\.js$/,
    parts: [
      [/[\s\S]*export const __vitePreload = [\s\S]*/g, 'export const __vitePreload = (load) => load();'],
    ],
  },
];

export function trim(): Plugin[] {
  return CUTS.map(({ of, parts }) => {
    let found = false;
    return {
      name: `trim ${of.source}`,
      apply: 'build',
      transform: {
        filter: { id: of },
        handler(code) {
          found = true;
          for (const [part, instead] of parts) {
            const trimmed = code.replace(part, instead);
            if (trimmed === code) this.error('It has changed: trim.ts does not find what to leave out.');
            code = trimmed;
          }
          return { code, map: null };
        },
      },
      buildEnd(error) {
        if (!error && !found) this.error(`trim.ts does not find ${of.source}.`);
      },
    };
  });
}
