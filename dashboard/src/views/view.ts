/** What a folder of `views` says of itself, and the list of all of them. */
import type { Component } from 'svelte';
import type { Command } from '../machine/answers';

export interface View {
  /** The folder's name, which is also the hash. */
  readonly name: string;
  /** The word in the navigation. */
  readonly title: string;
  /** Its place in the navigation, from the left. */
  readonly order: number;
  /** The commands without which it has nothing to show: offered only where `help` allows them all. */
  readonly needs: readonly Command[];
  /** Its code, fetched when it is opened. */
  readonly load: () => Promise<{ default: Component }>;
}

/** Every folder with a `view.ts`, in order: to add a view nothing else has to be touched. */
export const views: readonly View[] = Object.values(
  import.meta.glob<View>('./*/view.ts', { eager: true, import: 'view' }),
).sort((one, other) => one.order - other.order);
