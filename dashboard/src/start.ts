/** What is begun before anything is drawn: the machine is found, dialled, and asked what the first view shows. */
import { Machine } from './machine/machine';
import { Questions } from './machine/question.svelte';
import { NoTarget, direct, targetOf, type Target } from './machine/target';
import { router } from './route.svelte';
import { readSettings } from './settings';
import { codeOf, viewOf } from './views/view';

/** So long the page waits for its first figure rather than show that there is none, in milliseconds. */
const PATIENCE_MS = 150;

const sdk = import('./machine/link');
export const settings = readSettings(location.search);

export interface Start {
  readonly target?: Target;
  readonly questions?: Questions;
  /** Why no machine is known. */
  readonly reason?: string;
  /** There is something to show: the first answer, or no time to wait for it. */
  readonly answered?: Promise<unknown>;
}

/** Begins. To make the page holds up the processor: it is made while the first question is on its way. */
export async function begin(): Promise<Start> {
  const found = find();
  if (!found.target) return found;
  const patience = after(PATIENCE_MS);
  const { questions, first } = connect(found.target, settings.service);
  const sent = Promise.allSettled([sdk, codeOf(viewOf(router.route.view))]).then(() => after(0));
  await Promise.race([sent, patience]);
  return { ...found, questions, answered: Promise.race([first, patience]) };
}

/** Where questions go; the first one is on its way. */
export function connect(target: Target, service: string): { questions: Questions; first: Promise<unknown> } {
  const questions = new Questions(new Machine(async () => (await sdk).dial(target, service)));
  const { first } = viewOf(router.route.view);
  return {
    questions,
    first: first ? questions.early(first, router.location) : questions.early('help', {}),
  };
}

function find(): Start {
  try {
    const named = targetOf({
      pathname: location.pathname,
      search: location.search,
      cookie: document.cookie,
    });
    if (named) return { target: named };
    return settings.host === undefined ? {} : { target: direct(settings.host) };
  } catch (error) {
    if (!(error instanceof NoTarget)) throw error;
    return { reason: error.message };
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
