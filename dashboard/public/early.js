/** Runs while the page's own code is on its way: a browser's first use of its locale's words and of its storage takes 20 ms. */
new Intl.DateTimeFormat(undefined, { month: 'long', timeZone: 'UTC' }).format(0);
new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD' }).format(0);
try {
  localStorage.getItem('viam-billing');
} catch {
  // a browser that blocks cookies
}
