/** What the browser keeps: the service's name and the address of a machine of one's own. No key, no figure. */

export interface Settings {
  readonly service: string;
  readonly host?: string;
}

const NAME = 'viam-billing';
const SERVICE_NAME = /^[\w:.-]{1,128}$/;

/** The settings kept, where the browser lets a page keep any, under what the page's address says (`?service=`). */
export function readSettings(search: string, storage?: Pick<Storage, 'getItem'>): Settings {
  const kept = parse(storage);
  const service = new URLSearchParams(search).get('service') ?? kept['service'];
  const host = kept['host'];
  return {
    service: typeof service === 'string' && SERVICE_NAME.test(service) ? service : 'billing',
    ...(typeof host === 'string' && { host }),
  };
}

export function keepSettings(settings: Settings): void {
  try {
    localStorage.setItem(NAME, JSON.stringify(settings));
  } catch {
    // the browser keeps nothing of this page
  }
}

function parse(storage: Pick<Storage, 'getItem'> | undefined): Record<string, unknown> {
  try {
    // With cookies blocked even to name it throws.
    const read: unknown = JSON.parse((storage ?? localStorage).getItem(NAME) ?? '{}');
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
