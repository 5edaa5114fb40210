/** What the view's parts ask of the view: to open one of its dialogs. */
import type { Entry } from './charges';

export interface Acts {
  reconcile: () => void;
  resolve: (entry: Entry) => void;
}
