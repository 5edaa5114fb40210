/**
 * A real viam-server with the module through run.sh. It is its own signaling server too: a proxy leads what Chromium asks
 * of Viam's there, so that the page comes to it by WebRTC just as it would by Viam.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, createServer as listen, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { dial } from '../../src/machine/link';
import type { Link } from '../../src/machine/machine';
import { direct } from '../../src/machine/target';

const START_MS = 120_000;
const POLL_MS = 50;
const ANSWER_MS = 5_000;
const SIGNALING = 'app.viam.com:443';

/** What the machine is called in Viam, and a key of it. */
export const NAME = 'machine-main.tests.viam.cloud';
export const KEY = { id: '5e1d0c3b-7a69-4f58-8e47-1d2c3b4a5f60', key: 'a-key-of-this-machine' };

export class ViamServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'vs-')); // short: a socket's path has about 100 characters
  readonly #sockets = new Set<Socket>();
  readonly #signaling = this.#makeSignaling();
  #process: ChildProcess | undefined;

  private constructor(
    private readonly binary: string,
    private readonly runSh: string,
    /** `services` and `components` of a configuration. */
    private readonly resources: object,
    private readonly port: number,
  ) {}

  /** The service answers when it returns. */
  static async start(binary: string, runSh: string, resources: object): Promise<ViamServer> {
    const server = new ViamServer(binary, runSh, resources, await freePort());
    mkdirSync(join(server.#folder, 'tmp'));
    await server.serve(true);
    await server.run();
    return server;
  }

  /** Such as `localhost:40123`. */
  get host(): string {
    return `localhost:${this.port}`;
  }

  /** By which a browser finds Viam's signaling here, and nothing else of Viam. */
  get proxy(): string {
    return `http://127.0.0.1:${(this.#signaling.address() as AddressInfo).port}`;
  }

  /** The module's process. */
  get modulePid(): number | null {
    return this.#process?.pid === undefined ? null : (descendants(this.#process.pid).at(-1) ?? null);
  }

  dial(): Promise<Link> {
    return dial(direct(this.host, KEY), 'billing');
  }

  /** Whether the service answers. */
  async answers(): Promise<boolean> {
    if (!(await listens(this.port))) return false; // the SDK would complain at length
    try {
      const link = await this.dial();
      await link.ask({ help: { name: 'help' } }, ANSWER_MS).finally(() => {
        link.close();
      });
      return true;
    } catch {
      return false;
    }
  }

  /** Has the module and its service in the configuration, which viam-server watches, or takes them out. */
  async serve(wanted: boolean): Promise<void> {
    const module = { type: 'local', name: 'billing', executable_path: this.runSh };
    const configuration = {
      network: { bind_address: this.host, fqdn: NAME },
      auth: { handlers: [{ type: 'api-key', config: { [KEY.id]: KEY.key, keys: [KEY.id] } }] },
      ...(wanted && { modules: [module], ...this.resources }),
    };
    writeFileSync(join(this.#folder, 'machine.json'), JSON.stringify(configuration));
    if (this.#process) await this.#until(async () => (await this.answers()) === wanted);
  }

  /** Starts it; the port is the same each time. */
  async run(): Promise<void> {
    const output = openSync(this.#log, 'a');
    this.#process = spawn(this.binary, ['-config', 'machine.json', '-disable-mdns'], {
      cwd: this.#folder,
      env: { PATH: process.env['PATH'], HOME: this.#folder, TMPDIR: join(this.#folder, 'tmp') },
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    await this.#until(() => this.answers());
  }

  /** Ends it, as a machine that is switched off. */
  async end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  /** Ends it for good, and removes its files. */
  async stop(): Promise<void> {
    await this.end();
    for (const socket of this.#sockets) socket.destroy();
    this.#signaling.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #log(): string {
    return join(this.#folder, 'log.txt');
  }

  async #until(so: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + START_MS;
    while (!(await so())) {
      if (this.#process?.exitCode !== null || Date.now() > deadline)
        throw new Error(`viam-server does not do what it should: ${readFileSync(this.#log, 'utf8')}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** A proxy that ends a browser's TLS with Viam itself. */
  #makeSignaling(): Server {
    const [key, cert] = [join(this.#folder, 'key.pem'), join(this.#folder, 'cert.pem')];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', ...kind, '-subj', '/CN=app.viam.com', '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    const tls = { isServer: true, key: readFileSync(key), cert: readFileSync(cert) };
    const proxy = createServer((_request, response) => response.writeHead(502).end());
    proxy.on('connect', ({ url }, socket: Socket) => {
      if (url !== SIGNALING) {
        socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
        return;
      }
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const ends = [socket, new TLSSocket(socket, tls), connect(this.port, 'localhost')] as const;
      ends[1].pipe(ends[2]).pipe(ends[1]);
      for (const end of ends) {
        this.#sockets.add(end);
        end.on('error', () => undefined);
        end.on('close', () => {
          this.#sockets.delete(end);
          for (const other of ends) other.destroy();
        });
      }
    });
    return proxy.listen(0, '127.0.0.1');
  }
}

async function freePort(): Promise<number> {
  const probe = listen();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function listens(port: number): Promise<boolean> {
  const socket = connect(port, 'localhost');
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => {
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  }).finally(() => socket.destroy());
}

/** The processes that one has started, and theirs. */
function descendants(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return []; // it has ended meanwhile
  }
}
