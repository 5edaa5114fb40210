/**
 * Writes answers.ts, records.ts and requests.ts in src/machine from the error codes and the JSON Schema of every command's
 * parameters and answer, which the module's own code tells (schemas.py). `--check` writes nothing and fails where a file is out of date.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Schema
 * @property {string | string[]} [type]
 * @property {string} [$ref]
 * @property {Schema[]} [anyOf]
 * @property {Schema[]} [oneOf]
 * @property {unknown[]} [enum]
 * @property {unknown} [const]
 * @property {Record<string, Schema>} [properties]
 * @property {string[]} [required]
 * @property {boolean | Schema} [additionalProperties]
 * @property {Schema} [items]
 * @property {Record<string, Schema>} [$defs]
 * @typedef {{ parameters: Schema, answer: Schema }} Row
 */

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '..', 'src', 'machine');
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
  const fields = names.map(
    ([name, schema]) => `${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`,
  );
  return `{ ${fields.join('; ')} }`;
}

const WIDTH = 110;

/**
 * A declaration in lines that are not too long.
 * @param {string} text
 */
function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length >= WIDTH) lines.push(`    ${word}`);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

/** @param {string} duty @param {string[]} declarations */
const file = (duty, declarations) =>
  `/**\n * ${duty}\n * Made by \`npm run types\` from the module's own records: do not edit.\n */\n${declarations.join('\n')}\n`;

/** @type {Map<string, string>} The records that answers have in common, by name. */
const records = new Map();

/**
 * An interface with one side of all commands.
 * @param {Record<string, Row>} rows
 * @param {'parameters' | 'answer'} side
 * @param {string} name
 */
function all(rows, side, name) {
  const commands = Object.entries(rows).map(([command, row]) => {
    for (const [part, def] of Object.entries(row[side].$defs ?? {})) {
      const text = typeOf(def);
      if ((records.get(part) ?? text) !== text) throw new Error(`${part} is two different things`);
      records.set(part, text);
    }
    return `  ${wrapped(`${command}: ${typeOf(row[side])};`)}`;
  });
  return `export interface ${name} {\n${commands.join('\n')}\n}`;
}

const dump = execFileSync(python, [join(here, 'schemas.py')], { encoding: 'utf8', maxBuffer: 2 ** 26 });
const parse = /** @type {(text: string) => { commands: Record<string, Row>, errors: string[] }} */ (
  JSON.parse
);
const { commands: rows, errors } = parse(dump);
const requests = all(rows, 'parameters', 'Requests');
const answers = all(rows, 'answer', 'Answers');
/** What a file with these declarations takes from records.ts. @param {string} text */
const importsOf = (text) => {
  const used = [...records.keys()].filter((name) => new RegExp(`\\b${name}\\b`).test(text));
  return wrapped(`import type { ${used.join(', ')} } from './records';`);
};
const files = {
  'requests.ts': file('What each command takes.', [importsOf(requests), requests]),
  'answers.ts': file('What each command answers. A value that is not known is left out.', [
    importsOf(answers),
    "export type { Requests } from './requests';",
    answers,
    'export type Command = keyof Answers;',
  ]),
  'records.ts': file('The records that answers are made of, and the codes of errors.', [
    // No interfaces: those have no index signature, so they could not be sent as JSON.
    ...[...records].map(([name, text]) => wrapped(`export type ${name} = ${text};`)),
    wrapped(`export type ErrorCode = ${union(errors.map((code) => JSON.stringify(code)))};`),
  ]),
};
for (const [name, written] of Object.entries(files)) {
  const path = join(target, name);
  if (!process.argv.includes('--check')) {
    writeFileSync(path, written);
  } else if (readFileSync(path, 'utf8') !== written) {
    console.error(`src/machine/${name} is out of date: npm run types`);
    process.exitCode = 1;
  }
}
