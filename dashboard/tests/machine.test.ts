import { expect, test } from 'vitest';
import { Machine, type Link } from '../src/machine/machine';

interface FakeLink extends Link {
  lose: () => void;
  closed: boolean;
  asked: Record<string, unknown>[];
}

function fakeLink(answer: (request: Record<string, unknown>) => Promise<unknown>): FakeLink {
  let lose: () => void = () => undefined;
  const link: FakeLink = {
    asked: [],
    closed: false,
    lose: () => {
      lose();
    },
    ask: (request) => (link.asked.push(request), answer(request)),
    close: () => (link.closed = true),
    onLost: (listener) => (lose = listener),
  };
  return link;
}

const echo = (request: Record<string, unknown>) => Promise.resolve(request);

test('asks by name, leaves out what is undefined, and gives the inner answer', async () => {
  const link = fakeLink(echo);
  const machine = new Machine(() => Promise.resolve(link));
  await expect(machine.ask('help', { name: 'help' })).resolves.toEqual({ name: 'help' });
  const nothing = { location_id: undefined } as unknown as { location_id: string };
  await machine.ask('get_location_usage', nothing);
  expect(link.asked).toEqual([{ help: { name: 'help' } }, { get_location_usage: {} }]);
  expect(machine.reach).toBe('there');
});

test('dials once for questions at the same time', async () => {
  let dials = 0;
  const machine = new Machine(() => ((dials += 1), Promise.resolve(fakeLink(echo))));
  await Promise.all([machine.ask('help', {}), machine.ask('compare_usage', {})]);
  expect(dials).toBe(1);
});

test('an error of the module keeps the connection; a lost one is dialled anew', async () => {
  const answers = [
    () => Promise.reject(new Error('out_of_scope: no. Add it.')),
    () => Promise.reject(new Error('Failed to fetch')),
  ];
  const links: FakeLink[] = [];
  const dial = () => {
    const link = fakeLink((request) => (answers.shift() ?? (() => echo(request)))());
    links.push(link);
    return Promise.resolve(link);
  };
  const machine = new Machine(dial);
  const reaches: string[] = [];
  machine.onReach((reach) => reaches.push(reach));
  await expect(machine.ask('help', {})).rejects.toMatchObject({ code: 'out_of_scope' });
  await expect(machine.ask('help', {})).rejects.toMatchObject({ trouble: 'unreachable' });
  expect(links[0]?.closed).toBe(true);
  await machine.ask('help', {});
  expect(links).toHaveLength(2);
  expect(reaches).toEqual(['there', 'away', 'there']);
});

test('a connection that reports its own loss is away at once', async () => {
  const link = fakeLink(echo);
  const machine = new Machine(() => Promise.resolve(link));
  await machine.ask('help', {});
  link.lose();
  expect(machine.reach).toBe('away');
});

test('after a sleep a connection is tried with a small question first', async () => {
  let time = 0;
  let dead = false;
  const links: FakeLink[] = [];
  const dial = () => {
    const first = links.length === 0;
    const link = fakeLink((request) => (first && dead ? Promise.reject(new Error('gone')) : echo(request)));
    links.push(link);
    return Promise.resolve(link);
  };
  const machine = new Machine(dial, () => time);
  await machine.ask('compare_usage', {});
  time = 3_600_000;
  dead = true;
  await machine.ask('compare_usage', {});
  expect(links[0]?.asked).toEqual([{ compare_usage: {} }, { help: { name: 'help' } }]);
  expect(links[1]?.asked).toEqual([{ compare_usage: {} }]);
});

test('a service that answers without the command is not this one', async () => {
  const machine = new Machine(() => Promise.resolve(fakeLink(() => Promise.resolve({}))));
  await expect(machine.ask('help', {})).rejects.toMatchObject({ trouble: 'no_service' });
});
