/** Which machine this page is about: from the Viam application's path and cookie, or an address of one's own. */

/** Credentials of a machine, as its owner makes them in the Viam app. */
export interface ApiKey {
  readonly id: string;
  readonly key: string;
}

/** How to get to a machine. Nothing of it is stored but the address and the service's name. */
export interface Target {
  /** `webrtc` by way of Viam's signaling; `direct` to a machine of this network. */
  readonly way: 'webrtc' | 'direct';
  readonly host: string;
  readonly apiKey?: ApiKey;
}

/** Why there is no machine to ask, in words for the page. */
export class NoTarget extends Error {
  override readonly name = 'NoTarget';
}

export interface Place {
  readonly pathname: string;
  readonly search: string;
  readonly cookie: string;
}

const MACHINE_PATH = /\/machine\/([^/]+)(?:\/|$)/;
const MACHINE_ID = /^[0-9A-Za-z-]{1,64}$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/i;
/** A machine that the SDK can dial without Viam: in tests, and where a page is tried at home. */
const LOCAL_HOST = /^(?:localhost|[a-z0-9-]+\.local)(?::\d{1,5})?$/i;
const KEY_TEXT = /^[\x21-\x7e]{1,256}$/;

/** The target that the page's address names, or undefined where it names none. @throws NoTarget */
export function targetOf({ pathname, search, cookie }: Place): Target | undefined {
  const machineId = MACHINE_PATH.exec(pathname)?.[1];
  // In a Viam application nobody's link may lead the page, and with it the key, to another machine.
  if (machineId !== undefined) return fromCookie(machineId, cookie);
  const host = new URLSearchParams(search).get('host');
  return host === null ? undefined : direct(host);
}

/** A machine of this network by its address, such as `http://localhost:8080`. @throws NoTarget */
export function direct(address: string, apiKey?: ApiKey): Target {
  let url: URL;
  try {
    url = new URL(/^https?:\/\//.test(address) ? address : `http://${address}`);
  } catch {
    throw new NoTarget(`“${address}” is not an address. It looks like http://localhost:8080.`);
  }
  // The SDK dials directly only to a host with "local" in its name.
  if (url.hostname !== 'localhost' && !url.hostname.endsWith('.local')) {
    if (url.hostname === '127.0.0.1') url.hostname = 'localhost';
    else
      throw new NoTarget(
        `Only localhost and names that end in .local can be reached directly, not “${url.hostname}”.`,
      );
  }
  return { way: 'direct', host: url.origin, ...(apiKey && { apiKey }) };
}

/** A machine anywhere, by its address in the Viam app and a key. @throws NoTarget */
export function remote(host: string, apiKey: ApiKey): Target {
  if (!HOST_NAME.test(host)) throw new NoTarget(`“${host}” is not a machine's address.`);
  return { way: 'webrtc', host, apiKey };
}

function fromCookie(machineId: string, cookies: string): Target {
  if (!MACHINE_ID.test(machineId)) throw new NoTarget('The address of this page does not name a machine.');
  const prefix = `${machineId}=`;
  const found = cookies
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(prefix));
  if (found === undefined)
    throw new NoTarget('You are not logged in to this machine, or the login has expired.');
  const cookie = parse(found.slice(prefix.length));
  const host = text(cookie, 'hostname');
  const apiKey = keyOf(cookie);
  const named = text(cookie, 'machineId');
  const near = host !== undefined && LOCAL_HOST.test(host);
  const readable = near || (host !== undefined && HOST_NAME.test(host));
  if (!readable || !apiKey || (named !== undefined && named !== machineId)) {
    throw new NoTarget('The login for this machine cannot be read.');
  }
  return near ? direct(host, apiKey) : remote(host, apiKey);
}

function parse(value: string): object {
  try {
    const read: unknown = JSON.parse(decodeURIComponent(value));
    if (typeof read === 'object' && read !== null) return read;
  } catch {
    // what cannot be read is no login
  }
  throw new NoTarget('The login for this machine cannot be read.');
}

/** The key: by Viam in `apiKey`, and in the SDK's own form in `credentials`. */
function keyOf(cookie: object): ApiKey | undefined {
  const apiKey = part(cookie, 'apiKey');
  const credentials = part(cookie, 'credentials');
  const id = text(apiKey, 'id') ?? text(credentials, 'authEntity');
  const key = text(apiKey, 'key') ?? text(credentials, 'payload');
  if (id === undefined || key === undefined || !KEY_TEXT.test(id) || !KEY_TEXT.test(key)) return undefined;
  return { id, key };
}

function part(of: object, name: string): object {
  const value = Object.entries(of).find(([key]) => key === name)?.[1] as unknown;
  return typeof value === 'object' && value !== null ? value : {};
}

function text(of: object, name: string): string | undefined {
  const value = Object.entries(of).find(([key]) => key === name)?.[1] as unknown;
  return typeof value === 'string' ? value : undefined;
}
