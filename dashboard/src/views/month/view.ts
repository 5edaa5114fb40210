/** The month: what it has cost, where it is going. */
import type { View } from '../view';

export const view: View = {
  name: 'month',
  title: 'Month',
  order: 1,
  needs: ['get_location_usage'],
  first: 'get_location_usage',
  load: () => import('./Month.svelte'),
};
