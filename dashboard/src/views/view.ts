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
  /** What it asks first, of the location that is picked: sent before its code is there. */
  readonly first?: 'get_location_usage';
  /** Its code, fetched when it is opened. */
  readonly load: () => Promise<{ default: Component }>;
}

/** Every folder with a `view.ts`, in order: to add a view nothing else has to be touched. */
export const views: readonly View[] = Object.values(
  import.meta.glob<View>('./*/view.ts', { eager: true, import: 'view' }),
).sort((one, other) => one.order - other.order);

/** The view of this name, else the first one. */
export function viewOf(name: string): View {
  const view = views.find((one) => one.name === name) ?? views[0];
  if (!view) throw new Error('There is no view.');
  return view;
}

const codes = new Map<View, Component>();

/** A view's code: at once where it is there already. */
export function codeOf(view: View): Component | Promise<Component> {
  return (
    codes.get(view) ??
    view.load().then(({ default: code }) => {
      codes.set(view, code);
      return code;
    })
  );
}
