/** Where the reader is: the hash, such as `#/month?location=abc`. The back button and links work by it. */

export interface Route {
  readonly view: string;
  readonly parameters: URLSearchParams;
}

/** The route of a hash; the view is empty where it names none. */
export function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { view: path.split('/')[0] ?? '', parameters: new URLSearchParams(query) };
}

class Router {
  #hash = $state(location.hash);
  readonly route = $derived(parseHash(this.#hash));

  constructor() {
    addEventListener('hashchange', () => {
      this.#hash = location.hash;
    });
  }

  /** A parameter of the present view's address. */
  get(name: string): string | undefined {
    return this.route.parameters.get(name) ?? undefined;
  }

  /** The location that is picked, as a parameter; empty for the module's own one. */
  get location(): { location_id?: string } {
    const id = this.get('location');
    return id === undefined ? {} : { location_id: id };
  }

  /** Another value of a parameter (undefined: none), as a step for the back button, or in place of this one. */
  set(name: string, value: string | undefined, { replace = false } = {}): void {
    const parameters = new URLSearchParams(this.route.parameters);
    if (value === undefined || value === '') parameters.delete(name);
    else parameters.set(name, value);
    const url = hrefOf(this.route.view, parameters);
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.#hash = location.hash;
  }

  /** The address of a view. It keeps the location that was picked, and nothing else. */
  href(view: string, parameters: Record<string, string> = {}): string {
    const location = this.get('location');
    return hrefOf(view, new URLSearchParams({ ...(location !== undefined && { location }), ...parameters }));
  }
}

/** With the path: Viam serves the page with a `<base href>`, against which a mere hash would be another page. */
function hrefOf(view: string, parameters: URLSearchParams): string {
  const query = parameters.toString();
  return `${location.pathname}${location.search}#/${view}${query && `?${query}`}`;
}

export const router = new Router();
