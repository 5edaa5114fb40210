/** What the browser keeps: the service's name and the address of a machine of one's own. No key, no figure. */

export interface Settings {
  readonly service: string;
  readonly host?: string;
}

const NAME = 'viam-billing';
const SERVICE_NAME = /^[\w:.-]{1,128}$/;

/** The settings kept, under what the page's address says (`?service=`). */
export function readSettings(search: string, storage: Pick<Storage, 'getItem'> = localStorage): Settings {
  const kept = parse(storage.getItem(NAME));
  const service = new URLSearchParams(search).get('service') ?? kept['service'];
  const host = kept['host'];
  return {
    service: typeof service === 'string' && SERVICE_NAME.test(service) ? service : 'billing',
    ...(typeof host === 'string' && { host }),
  };
}

export function keepSettings(settings: Settings, storage: Pick<Storage, 'setItem'> = localStorage): void {
  storage.setItem(NAME, JSON.stringify(settings));
}

function parse(text: string | null): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(text ?? '{}');
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
