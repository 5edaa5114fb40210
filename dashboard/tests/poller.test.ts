import { expect, test } from 'vitest';
import { Poller, type Surroundings } from '../src/machine/poller';

/** A clock that moves when told to, and a page that is hidden when told so. */
class Room implements Surroundings {
  time = 0;
  isHidden = false;
  #timers = new Map<() => void, number>();
  #wakes = new Set<() => void>();

  now = () => this.time;
  hidden = () => this.isHidden;
  after = (ms: number, run: () => void) => {
    this.#timers.set(run, this.time + ms);
    return () => void this.#timers.delete(run);
  };
  onWake = (run: () => void) => {
    this.#wakes.add(run);
    return () => void this.#wakes.delete(run);
  };
  wake = async () => {
    this.isHidden = false;
    for (const run of this.#wakes) run();
    await this.#settle();
  };

  get timers(): number {
    return this.#timers.size;
  }

  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await this.#settle();
      const next = [...this.#timers]
        .filter(([, at]) => at <= end)
        .sort(([, one], [, other]) => one - other)[0];
      if (!next) break;
      this.#timers.delete(next[0]);
      this.time = Math.max(this.time, next[1]);
      next[0]();
    }
    this.time = end;
    await this.#settle();
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
}

function asked(room: Room, well: () => boolean = () => true) {
  const times: number[] = [];
  return { times, ask: () => (times.push(room.time), Promise.resolve(well())) };
}

test('asks at once and then regularly, until it is removed', async () => {
  const room = new Room();
  const question = asked(room);
  const remove = new Poller(room, 60_000).add(question);
  await room.pass(150_000);
  expect(question.times).toEqual([0, 60_000, 120_000]);
  remove();
  await room.pass(300_000);
  expect(question.times).toHaveLength(3);
  expect(room.timers).toBe(0);
});

test('asks nothing while hidden, and what is due as soon as it is shown', async () => {
  const room = new Room();
  const question = asked(room);
  new Poller(room, 60_000).add(question);
  await room.pass(1);
  room.isHidden = true;
  await room.pass(3_600_000);
  expect(question.times).toHaveLength(1);
  expect(room.timers).toBe(0);
  await room.wake();
  expect(question.times).toEqual([0, 3_600_001]);
});

test('being shown again soon asks nothing that is fresh', async () => {
  const room = new Room();
  const question = asked(room);
  new Poller(room, 60_000).add(question);
  await room.pass(5_000);
  await room.wake();
  expect(question.times).toEqual([0]);
});

test('after a failure it asks sooner, more and more rarely, never more rarely than usual', async () => {
  const room = new Room();
  let well = false;
  const question = asked(room, () => well);
  new Poller(room, 60_000).add(question);
  await room.pass(100_000);
  expect(question.times.slice(0, 7)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 25_000, 35_000]);
  const failed = question.times.length;
  well = true;
  await room.pass(100_000);
  expect(question.times.slice(failed)).toEqual([105_000, 165_000]);
});

test('a machine that is back does not let those that failed wait', async () => {
  const room = new Room();
  const failing = asked(room, () => false);
  const fine = asked(room);
  const poller = new Poller(room, 60_000);
  poller.add(failing);
  poller.add(fine);
  await room.pass(8_000);
  poller.retryFailed();
  await room.pass(0);
  expect(failing.times.at(-1)).toBe(8_000);
  expect(fine.times).toEqual([0]);
});

test('a question that is under way is not asked twice', async () => {
  const room = new Room();
  let answer: (well: boolean) => void = () => undefined;
  let times = 0;
  const poller = new Poller(room, 60_000);
  poller.add({ ask: () => ((times += 1), new Promise<boolean>((resolve) => (answer = resolve))) });
  await room.pass(200_000);
  poller.refresh();
  expect(times).toBe(1);
  answer(true);
  await room.pass(60_000);
  expect(times).toBe(2);
});

test('a machine that is away is tried before the usual time', async () => {
  const room = new Room();
  const question = asked(room);
  const poller = new Poller(room, 60_000);
  poller.add(question);
  await room.pass(10_000);
  poller.retryAll();
  await room.pass(2_000);
  expect(question.times).toEqual([0, 11_000]);
});
