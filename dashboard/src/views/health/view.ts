/** Health: whether all works, and what is wrong. */
import type { View } from '../view';

export const view: View = {
  name: 'health',
  title: 'Health',
  order: 5,
  needs: [],
  load: () => import('./Health.svelte'),
};
