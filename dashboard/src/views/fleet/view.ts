/** The fleet: who pays for which locations, and how much. */
import type { View } from '../view';

export const view: View = {
  name: 'fleet',
  title: 'Fleet',
  order: 2,
  needs: ['get_fleet_usage'],
  load: () => import('./Fleet.svelte'),
};
