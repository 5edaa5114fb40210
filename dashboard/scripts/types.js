/**
 * Writes src/machine/answers.ts from the JSON Schema of every command's parameters and answer, which the module's own
 * code tells (schemas.py). `--check` writes nothing and fails where the file is out of date.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

/**
 * @typedef {object} Schema
 * @property {string | string[]} [type]
 * @property {string} [$ref]
 * @property {string} [description]
 * @property {Schema[]} [anyOf]
 * @property {Schema[]} [oneOf]
 * @property {unknown[]} [enum]
 * @property {unknown} [const]
 * @property {Record<string, Schema>} [properties]
 * @property {string[]} [required]
 * @property {boolean | Schema} [additionalProperties]
 * @property {Schema} [items]
 * @property {Record<string, Schema>} [$defs]
 * @typedef {{ parameters: Schema, answer?: Schema }} Row
 */

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '..', 'src', 'machine', 'answers.ts');
const python = process.env['PYTHON'] ?? join(here, '..', '..', '.venv', 'bin', 'python');

/** @param {string[]} types */
const union = (types) => [...new Set(types)].join(' | ') || 'never';

/** @param {Schema} schema @returns {string} */
function typeOf(schema) {
  if (schema.$ref !== undefined) return schema.$ref.replace(/^.*\//, '');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return union(schema.enum.map((value) => JSON.stringify(value)));
  const either = schema.anyOf ?? (schema.type === undefined ? schema.oneOf : undefined);
  if (either) return union(either.map(typeOf));
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => typeOf({ ...schema, type })));
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return schema.items ? `(${typeOf(schema.items)})[]` : 'unknown[]';
    case 'object':
      return objectOf(schema);
    default:
      return 'unknown';
  }
}

/** @param {Schema} schema */
function objectOf({ properties = {}, required = [], additionalProperties }) {
  const names = Object.entries(properties);
  if (names.length === 0) {
    if (typeof additionalProperties === 'object') return `Record<string, ${typeOf(additionalProperties)}>`;
    return additionalProperties === false ? 'Record<string, never>' : 'Record<string, unknown>';
  }
  const fields = names.map(([name, schema]) => {
    const note =
      schema.description === undefined ? '' : `/** ${schema.description.replaceAll('*/', '* /')} */\n`;
    return `${note}${JSON.stringify(name)}${required.includes(name) ? '' : '?'}: ${typeOf(schema)};`;
  });
  return `{ ${fields.join('\n')} }`;
}

/** @param {Record<string, Row>} rows */
function source(rows) {
  /** @type {Map<string, string>} */
  const shared = new Map();
  const sides = /** @type {const} */ (['parameters', 'answer']);
  const [requests, answers] = sides.map((side) =>
    Object.entries(rows).map(([command, row]) => {
      const schema = row[side] ?? { type: 'object' };
      for (const [name, def] of Object.entries(schema.$defs ?? {})) {
        const text = typeOf(def);
        if ((shared.get(name) ?? text) !== text) throw new Error(`${name} is two different things`);
        shared.set(name, text);
      }
      return `${command}: ${typeOf(schema)};`;
    }),
  );
  return `/** What each command takes and answers. Made by \`npm run types\` from the module's own records: do not edit. */
${[...shared].map(([name, text]) => `export type ${name} = ${text};`).join('\n')}
export interface Requests { ${requests?.join('\n') ?? ''} }
export interface Answers { ${answers?.join('\n') ?? ''} }
export type Command = keyof Answers;
`;
}

const dump = execFileSync(python, [join(here, 'schemas.py')], { encoding: 'utf8', maxBuffer: 2 ** 26 });
const parse = /** @type {(text: string) => Record<string, Row>} */ (JSON.parse);
const style = (await resolveConfig(target)) ?? {};
const written = await format(source(parse(dump)), Object.assign(style, { parser: 'typescript' }));
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== written) {
    console.error('src/machine/answers.ts is out of date: npm run types');
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, written);
}
