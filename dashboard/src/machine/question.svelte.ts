/** What a view sees of a command: the newest answer, what went wrong since, and whether one is on its way. */
import type { Answers, Command, Requests } from './answers';
import { MachineError, readError } from './errors';
import type { Machine, Reach } from './machine';
import { Poller, browser, type Polled, type Surroundings } from './poller';

export class Question<C extends Command> implements Polled {
  /** The newest answer; it stays while a later attempt fails. */
  answer = $state.raw<Answers[C]>();
  /** Why the newest attempt failed; undefined once one went well. */
  error = $state.raw<MachineError>();
  /** When the newest answer arrived, in milliseconds since 1970. */
  answeredAt = $state.raw<number>();

  #asking: Promise<boolean> | undefined;

  /** Neither an answer nor an error so far. */
  get waiting(): boolean {
    return this.answer === undefined && this.error === undefined;
  }

  constructor(
    private readonly machine: Pick<Machine, 'ask'>,
    readonly command: C,
    readonly parameters: Requests[C],
    private readonly now: () => number = Date.now,
  ) {}

  /** One attempt at a time: whoever asks meanwhile waits for the same. */
  ask(): Promise<boolean> {
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  async #ask(): Promise<boolean> {
    try {
      this.answer = await this.machine.ask(this.command, this.parameters);
      this.error = undefined;
      this.answeredAt = this.now();
      return true;
    } catch (thrown) {
      this.error = readError(thrown);
      return !this.error.passing;
    }
  }
}

interface Kept {
  question: Question<Command>;
  users: number;
  stop?: () => void;
}

/** So new that it need not be asked for again, in milliseconds. */
const FRESH_MS = 2_000;

/** All questions of the page: equal ones are asked once, and a view that comes back shows its last answer at once. */
export class Questions {
  /** Whether the machine is there. */
  reach = $state<Reach>('connecting');
  readonly #begun = $derived(this.reach !== 'connecting');
  readonly #kept = new Map<string, Kept>();
  readonly #poller: Poller;

  constructor(
    readonly machine: Machine,
    private readonly around: Surroundings = browser,
  ) {
    this.#poller = new Poller(around);
    machine.onReach((reach) => {
      this.reach = reach;
      if (reach === 'there') this.#poller.retryFailed();
      else if (reach === 'away') this.#poller.retryAll();
    });
  }

  /**
   * Asks, and asks again, for as long as the calling component lives. With `last` not before another question has had
   * an answer or failed: a long answer would be in its way.
   */
  ask<C extends Command>(command: C, parameters: Requests[C], { last = false } = {}): Question<C> {
    const kept = this.#find(command, parameters);
    $effect(() => {
      if (!last || this.#begun) return this.#use(kept);
    });
    return kept.question as unknown as Question<C>;
  }

  /** One attempt before the component is there that will ask. */
  early<C extends Command>(command: C, parameters: Requests[C]): Promise<boolean> {
    return this.#find(command, parameters).question.ask();
  }

  /** One attempt outside the regular ones, for example after a change. @throws MachineError */
  once<C extends Command>(command: C, parameters: Requests[C]): Promise<Answers[C]> {
    return this.machine.ask(command, parameters);
  }

  /** Asks everything that is shown again, now. */
  refresh(): void {
    this.#poller.refresh();
  }

  #find(command: Command, parameters: object): Kept {
    const name = JSON.stringify([command, Object.entries(parameters).sort()]);
    const known = this.#kept.get(name);
    if (known) return known;
    const question = new Question<Command>(this.machine, command, parameters, () => this.around.now());
    const kept = { question, users: 0 };
    this.#kept.set(name, kept);
    return kept;
  }

  #use(kept: Kept): () => void {
    kept.users += 1;
    const age = this.around.now() - (kept.question.answeredAt ?? 0);
    kept.stop ??= this.#poller.add(kept.question, age < FRESH_MS);
    return () => {
      kept.users -= 1;
      if (kept.users > 0) return;
      kept.stop?.();
      delete kept.stop;
    };
  }
}
