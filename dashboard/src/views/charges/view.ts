/** The charges: those that need a person first, what became of the others, what was tried. */
import type { View } from '../view';

export const view: View = {
  name: 'charges',
  title: 'Charges',
  order: 4,
  needs: ['list_charges'],
  load: () => import('./Charges.svelte'),
};
