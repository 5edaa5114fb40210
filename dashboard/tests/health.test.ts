import { expect, test } from 'vitest';
import { MachineError } from '../src/machine/errors';
import { callsAllowed, cards, groups, keyName, outcomeName } from '../src/views/health/details';
import { problems, type Access, type Commands, type Status } from '../src/views/health/health';

const CALLS = { get_current_month_usage: 'ok', get_invoices_summary: 'ok', list_locations: 'ok' };
const ACCESS: Access = {
  api_key_id: 'k',
  app_address: 'https://app.viam.com',
  authenticated: true,
  calls: CALLS,
};
const NO_JOURNAL: Status = {
  version: '0.1.0',
  connected: true,
  cloud_calls: 3,
  logins: 1,
  retries: 0,
  cache_hits: 0,
  cache_misses: 3,
  stale_answers: 0,
  allowed_commands: ['read'],
};
const STATUS: Status = { ...NO_JOURNAL, unknown_charges: 0, charged_last_24h: 0 };

function allowing(...allowed: string[]): Commands {
  const effects: Record<string, Commands[string]['effect']> = {
    list_charges: 'read',
    check_access: 'read',
    charge_organization: 'charge',
    resolve_charge: 'by_name',
    help: 'always',
  };
  return Object.fromEntries(
    Object.entries(effects).map(([name, effect]) => [
      name,
      { summary: '', effect, allowed: allowed.includes(name), parameters: {}, answer: {} },
    ]),
  );
}

const titles = (known: Parameters<typeof problems>[0]) => problems(known).map(({ title }) => title);

test('nothing is wrong with a key that may make every call', () => {
  expect(problems({ access: ACCESS, status: STATUS, commands: allowing('list_charges') })).toEqual([]);
});

test('a rejected key is one problem, not one for each call', () => {
  const calls = { get_current_month_usage: 'key_rejected', list_locations: 'key_rejected' };
  const found = problems({ access: { ...ACCESS, authenticated: false, calls }, status: STATUS });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ tone: 'bad', title: 'Viam rejects the API key' });
});

test('of a cloud that is away it is said that nothing is known of the key', () => {
  const access: Access = {
    api_key_id: 'k',
    app_address: 'a',
    calls: { list_locations: 'cloud_timeout', get_location: 'not_configured' },
  };
  expect(titles({ access })).toEqual(['Viam’s cloud does not answer in time']);
  expect(keyName(access)).toBe('Not known');
  expect(callsAllowed(access)).toBeUndefined();
});

test('refused calls are named, with what to set', () => {
  const access = { ...ACCESS, calls: { ...CALLS, list_locations: 'key_lacks_permission' } };
  const [problem] = problems({ access });
  expect(problem?.title).toBe('The API key may not make 1 of 3 calls');
  expect(problem?.todo).toMatch(/organization owner’s key.*list_locations/);
  expect(callsAllowed(access)).toEqual([2, 3]);
});

test.each([
  ['not_configured', /org_id and location_id/],
  ['cloud_unimplemented', /app_address/],
  ['cloud_error', /cloud_error: list_locations/],
])('a call that ends in %s comes with what to do', (code, todo) => {
  const [problem] = problems({ access: { ...ACCESS, calls: { ...CALLS, list_locations: code } } });
  expect(problem?.tone).toBe('warn');
  expect(problem?.todo).toMatch(todo);
});

test('unknown charges come first and lead to the charges, where these may be seen', () => {
  const access = { ...ACCESS, calls: { ...CALLS, list_locations: 'cloud_error' } };
  const status = { ...STATUS, unknown_charges: 2 };
  const [first] = problems({ access, status, commands: allowing('list_charges') });
  expect(first).toMatchObject({
    title: '2 charges have an unknown outcome',
    link: ['charges', 'What to do'],
  });
  expect(problems({ status, commands: allowing() })[0]).not.toHaveProperty('link');
});

test('a journal that cannot be read is wrong where charging is allowed, and only there', () => {
  const status = NO_JOURNAL;
  expect(titles({ access: ACCESS, status, commands: allowing('charge_organization') })).toEqual([
    'The charge journal cannot be read',
  ]);
  expect(titles({ access: ACCESS, status, commands: allowing('list_charges') })).toEqual([]);
});

test('resolve_charge is to be taken out again when nothing is left to settle', () => {
  const commands = allowing('resolve_charge');
  expect(problems({ access: ACCESS, status: STATUS, commands })[0]?.tone).toBe('plain');
  expect(problems({ access: ACCESS, status: { ...STATUS, unknown_charges: 1 }, commands })).toHaveLength(1);
});

test('where the key cannot be checked, the last error of the connection is told', () => {
  const status = { ...STATUS, connected: false, last_error: 'cloud_unreachable: no.' };
  expect(problems({ status })[0]).toMatchObject({ tone: 'warn', todo: 'cloud_unreachable: no.' });
  expect(problems({ status: { ...STATUS, connected: false } })[0]?.tone).toBe('plain');
});

test('the module’s own errors are told in its words, others are the shell’s to tell', () => {
  const own = new MachineError('module', 'not_configured', 'no API key is known.');
  expect(problems({ accessError: own })[0]?.todo).toBe('no API key is known.');
  expect(problems({ accessError: new MachineError('unreachable', 'unreachable', 'no') })).toEqual([]);
  expect(problems({ statusError: new MachineError('module', 'unknown_command', 'no') })).toEqual([]);
});

test('cards leave out what is not known, and have the calls by name', () => {
  const journal = { id: '5f', created: '2026-11-02T09:30:00Z', entries: 7 };
  const all = cards({ access: ACCESS, status: { ...NO_JOURNAL, journal } }, 0);
  expect(all.map(({ title }) => title)).toEqual(['What the key may read', 'Connection', 'Charge journal']);
  expect(all[0]?.facts.slice(0, 3).map(([name]) => name)).toEqual(Object.keys(CALLS).sort());
  expect(all[2]?.facts.map(([name]) => name)).toEqual(['ID', 'Made', 'Charges ever made']);
  expect(cards({}, 0)).toEqual([]);
});

test('an organization that bills others has a card, without what is not known', () => {
  const found = { org_id: 'o', as_of: '', stale: false, support_email: '', logo_url: 'https://cdn/l.png' };
  expect(cards({ biller: { ...found, billing_dashboard_url: '' } }, 0)).toEqual([]);
  const address = { address_line_1: '1 Quay', city: 'Hull', state: 'EY', zipcode: 'HU1', country: 'GB' };
  const [card] = cards({ biller: { ...found, billing_dashboard_url: '', billing_address: address } }, 0);
  expect(card?.facts).toEqual([
    ['Address', '1 Quay, Hull'],
    ['Support e-mail', 'none'],
    ['Logo', 'https://cdn/l.png'],
  ]);
});

test('commands are grouped by what they do', () => {
  expect(groups(allowing('list_charges', 'help'))).toEqual([
    { title: 'Read', allowed: ['list_charges'], refused: ['check_access'] },
    { title: 'Charge', allowed: [], refused: ['charge_organization'] },
    { title: 'Only by name', allowed: [], refused: ['resolve_charge'] },
    { title: 'Always', allowed: ['help'], refused: [] },
  ]);
});

test('commands of an effect that this page does not know have a group of its name', () => {
  const commands = { refund: { effect: 'give_back', allowed: true } } as unknown;
  expect(groups(commands as Commands)).toEqual([{ title: 'Give back', allowed: ['refund'], refused: [] }]);
});

test('a code without words stands for itself', () => {
  expect(outcomeName('ok')).toBe('Allowed');
  expect(outcomeName('key_lacks_permission')).toBe('Not allowed');
  expect(outcomeName('cloud_timeout')).toBe('Viam’s cloud does not answer in time');
});
