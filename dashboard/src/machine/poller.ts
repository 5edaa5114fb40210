/** When to ask again: one timer for all questions, none while the page is hidden, sooner after a failure. */

/** The browser's clock and visibility; tests have their own. */
export interface Surroundings {
  now(): number;
  hidden(): boolean;
  /** Calls back once after `ms`; the result cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Calls back when the page is shown again or the network is back; the result ends that. */
  onWake(run: () => void): () => void;
}

/** What is asked again and again. `ask` never fails; true: again after the usual time, false: again soon. */
export interface Polled {
  ask(): Promise<boolean>;
}

interface Entry {
  dueAt: number;
  failures: number;
  asking: boolean;
}

export const EVERY_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;

export class Poller {
  readonly #entries = new Map<Polled, Entry>();
  #cancel: (() => void) | undefined;

  constructor(
    private readonly around: Surroundings,
    private readonly everyMs = EVERY_MS,
  ) {
    // After a sleep the timer is late by hours: what is due is asked, and what failed does not wait.
    around.onWake(() => {
      this.retryFailed();
    });
  }

  /** Asks now where `fresh` is false, and then regularly until the result is called. */
  add(polled: Polled, fresh = false): () => void {
    const entry = { dueAt: this.around.now() + (fresh ? this.everyMs : 0), failures: 0, asking: false };
    this.#entries.set(polled, entry);
    this.#run();
    return () => {
      this.#entries.delete(polled);
      this.#schedule();
    };
  }

  /** Asks all that failed at once, for example as the machine is back. */
  retryFailed(): void {
    for (const entry of this.#entries.values()) if (entry.failures > 0) entry.dueAt = this.around.now();
    this.#run();
  }

  /** Asks all soon, and again and again until it goes well: the machine is away. */
  retryAll(): void {
    const soon = this.around.now() + FIRST_RETRY_MS;
    for (const entry of this.#entries.values()) {
      entry.failures = Math.max(entry.failures, 1);
      entry.dueAt = Math.min(entry.dueAt, soon);
    }
    this.#schedule();
  }

  /** Asks everything now. */
  refresh(): void {
    for (const entry of this.#entries.values()) entry.dueAt = this.around.now();
    this.#run();
  }

  #run(): void {
    if (!this.around.hidden()) {
      const now = this.around.now();
      for (const [polled, entry] of this.#entries) {
        if (!entry.asking && entry.dueAt <= now) void this.#ask(polled, entry);
      }
    }
    this.#schedule();
  }

  async #ask(polled: Polled, entry: Entry): Promise<void> {
    entry.asking = true;
    const went = await polled.ask();
    entry.asking = false;
    entry.failures = went ? 0 : entry.failures + 1;
    entry.dueAt = this.around.now() + (went ? this.everyMs : this.#pause(entry.failures));
    this.#schedule();
  }

  #pause(failures: number): number {
    return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS, this.everyMs);
  }

  #schedule(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.around.hidden()) return;
    const due = [...this.#entries.values()].filter((entry) => !entry.asking).map((entry) => entry.dueAt);
    if (due.length === 0) return;
    const ms = Math.max(Math.min(...due) - this.around.now(), 0);
    this.#cancel = this.around.after(ms, () => {
      this.#run();
    });
  }
}

/** The browser's own. */
export const browser: Surroundings = {
  now: () => Date.now(),
  hidden: () => document.hidden,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  onWake: (run) => {
    const shown = () => {
      if (!document.hidden) run();
    };
    document.addEventListener('visibilitychange', shown);
    addEventListener('online', run);
    addEventListener('pageshow', run);
    return () => {
      document.removeEventListener('visibilitychange', shown);
      removeEventListener('online', run);
      removeEventListener('pageshow', run);
    };
  },
};
