/** What the page says in more than one view. */
import type { Locator, Page } from 'playwright-core';

/** An amount as it is shown. */
export function dollars(amount: number): string {
  return amount.toLocaleString('en-US', { style: 'currency', currency: 'USD' });
}

/** That the cloud is away, and since when. */
export function stale(page: Page): Locator {
  return page.getByText(/^As of .* ago\):.*These are the newest figures known\./);
}
