/** Starts the page. */
import { mount } from 'svelte';
import App from './App.svelte';
import { begin } from './start';
import './theme.css';

// Not by a top-level await: the views' code would wait for it, as they share code with this.
void begin().then(async (start) => {
  const page = document.createElement('div');
  mount(App, { target: page, props: { start } });
  // Until it is put in its place, the browser neither lays it out nor paints it.
  await start.answered;
  document.body.append(page);
});
