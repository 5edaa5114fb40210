/** Puts `licences.txt` beside the page: the licence texts of all packages that are in its code. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const PACKAGE = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const TEXT = /^(?:licen[cs]e|copying|notice)\b/i;

interface About {
  name: string;
  version: string;
  license?: string;
}

/** A package's name, version and licence texts. A package without a text says the licence's name. */
function textOf(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as About;
  const texts = readdirSync(folder)
    .filter((name) => TEXT.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return [`${about.name} ${about.version} (${about.license ?? 'see below'})`, ...texts].join('\n\n');
}

export function licences(): Plugin {
  return {
    name: 'licences',
    apply: 'build',
    generateBundle(_options, bundle) {
      const ids = Object.values(bundle).flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
      const folders = new Set(ids.flatMap((id) => PACKAGE.exec(id.replace(/^\0/, ''))?.[0] ?? []));
      const texts = [...folders].filter((folder) => existsSync(join(folder, 'package.json'))).map(textOf);
      this.emitFile({
        type: 'asset',
        fileName: 'licences.txt',
        source: `${texts.sort().join(`\n\n${'-'.repeat(80)}\n\n`)}\n`,
      });
    },
  };
}
