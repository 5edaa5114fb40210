/** The invoices: what is owed and since when, each with its PDF. */
import type { View } from '../view';

export const view: View = {
  name: 'invoices',
  title: 'Invoices',
  order: 3,
  needs: ['get_invoices_summary'],
  load: () => import('./Invoices.svelte'),
};
