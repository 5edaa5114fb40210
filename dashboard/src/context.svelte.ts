/** What every view can use: questions to the machine, what is allowed there, the location that is picked. */
import { getContext, setContext } from 'svelte';
import type { Answers, Command } from './machine/answers';
import type { Question, Questions } from './machine/question.svelte';
import { router } from './route.svelte';

export class Billing {
  constructor(
    readonly questions: Questions,
    readonly help: Question<'help'>,
  ) {}

  /** Whether the module's configuration allows a command; false while that is not known. */
  may(command: Command): boolean {
    return this.commands?.[command]?.allowed === true;
  }

  /** Whether all of these may be offered: as long as nothing is known, they are. */
  offers(commands: readonly Command[]): boolean {
    return this.commands === undefined || commands.every((command) => this.may(command));
  }

  get commands(): Answers['help']['commands'] | undefined {
    return this.help.answer?.commands;
  }

  /** The location that is picked, as a parameter; empty for the module's own one. */
  get location(): { location_id?: string } {
    return router.location;
  }
}

const KEY = Symbol('billing');

export function provideBilling(billing: Billing): Billing {
  return setContext(KEY, billing);
}

export function billing(): Billing {
  return getContext<Billing>(KEY);
}
