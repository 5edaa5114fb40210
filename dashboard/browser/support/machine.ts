/**
 * A stand-in machine with the real module in it, as a process of its own, and a way to what happens to it. Where
 * VIAM_SERVER names a viam-server, that one runs the module, with the same scene; the stand-in still serves the page.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions } from 'playwright-core';
import { onTestFinished } from 'vitest';
import type { Answers, Command, Requests } from '../../src/machine/answers';
import { dial } from '../../src/machine/link';
import type { Link } from '../../src/machine/machine';
import { direct } from '../../src/machine/target';
import { KEY, NAME, ViamServer } from './viam_server';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const python = process.env['PYTHON'] ?? join(root, '.venv', 'bin', 'python');

export type Scene = 'steady' | 'over-budget' | 'overdue' | 'cloud-away' | 'unknown-charge' | 'fleet-10000';
type Attributes = Record<string, unknown>;
type Method = 'KillModule' | 'StopModule' | 'StartModule' | 'StopMachine' | 'StartMachine' | 'Status';

/** How a page gets at a machine. */
export type Way = 'direct' | 'webrtc';
export const WAYS = ['direct', 'webrtc'] as const;
const ANSWER_MS = 60_000;
const binary = process.env['VIAM_SERVER'] ?? '';
/** Of tests to which only the way itself makes a difference: the stand-in has one way, and two styles of errors. */
export const REAL_WAYS: readonly Way[] = binary ? WAYS : ['direct'];

export interface Status {
  module_pid: number | null;
  module_ready: boolean;
}

/** The machine of every scene, by its ID. */
export const MACHINE_ID = '5d1c7b3a-2e4f-4a86-9b0c-1f2e3d4c5b6a';

export class Machine {
  #way: Way = 'direct';
  #server: ViamServer | undefined;

  private constructor(
    private readonly process: ChildProcess,
    private readonly printed: ReadonlyMap<string, string>,
  ) {}

  /** Ready when it returns. The attributes go over the scene's own; null takes one away. */
  static async start(scene: Scene, attributes: Attributes = {}): Promise<Machine> {
    const given = ['--scene', scene, '--page', join(root, 'dashboard', 'dist'), '--direct'];
    const child = spawn(
      python,
      ['-m', 'viam_billing_sandbox.machine', ...given, '--attributes', JSON.stringify(attributes)],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const errors: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
    const printed = new Map<string, string>();
    for await (const line of createInterface({ input: child.stdout })) {
      const [name = '', ...rest] = line.split(': ');
      printed.set(name, rest.join(': '));
      if (name === 'machine ready') {
        const machine = new Machine(child, printed);
        if (binary) await machine.#giveModuleTo(binary);
        return machine;
      }
    }
    throw new Error(`the machine did not start: ${errors.join('')}`);
  }

  async #giveModuleTo(viamServer: string): Promise<void> {
    await this.does('StopModule');
    const resources = JSON.parse(readFileSync(join(this.find('logs'), 'machine.json'), 'utf8')) as object;
    this.#server = await ViamServer.start(viamServer, join(root, 'run.sh'), resources);
  }

  /** How visits from now on get at it; at the stand-in only the errors look as that way gives them. */
  async by(way: Way): Promise<void> {
    this.#way = way;
    if (!this.#server) await call(this.find('machine control'), 'Errors', { style: way });
  }

  /** Where its page is, such as `http://localhost:40123`. */
  get origin(): string {
    return this.find('machine ready');
  }

  /** The page as on a site of one's own; with a viam-server as a Viam application, by the login of `context`. */
  get page(): string {
    return this.#server
      ? `${this.origin}/machine/${MACHINE_ID}/`
      : `${this.origin}/?host=${new URL(this.origin).host}`;
  }

  /** Whom the page may ask: not the machine itself where it comes by WebRTC. */
  get hosts(): string[] {
    if (!this.#server) return [this.origin];
    return [this.origin, this.#way === 'direct' ? `http://${this.#server.host}` : 'https://app.viam.com'];
  }

  /** What a visitor's browser has to have. */
  get context(): BrowserContextOptions {
    const server = this.#server;
    if (!server) return {};
    const hostname = this.#way === 'direct' ? server.host : NAME;
    const login = JSON.stringify({ hostname, machineId: MACHINE_ID, apiKey: KEY });
    const cookie = { name: MACHINE_ID, value: encodeURIComponent(login), domain: 'localhost', path: '/' };
    const rest = { expires: -1, httpOnly: false, secure: false, sameSite: 'Lax' as const };
    return {
      storageState: { cookies: [{ ...cookie, ...rest }], origins: [] },
      proxy: { server: server.proxy, bypass: 'localhost' },
      ignoreHTTPSErrors: true,
    };
  }

  /** Something that happens to the machine; complete when it returns. */
  async does(method: Method): Promise<Status> {
    const server = this.#server;
    if (!server) return (await call(this.find('machine control'), method, {})) as Status;
    if (method === 'KillModule' && server.modulePid !== null) process.kill(server.modulePid, 'SIGKILL');
    else if (method === 'StopMachine') await server.end();
    else if (method === 'StartMachine') await server.run();
    else if (method !== 'Status') await server.serve(method === 'StartModule');
    return { module_pid: server.modulePid, module_ready: await server.answers() };
  }

  /** What the service answers to somebody else than the page. */
  async ask<C extends Command>(command: C, parameters: Requests[C]): Promise<Answers[C]> {
    const link = await this.#dial();
    try {
      return ((await link.ask({ [command]: parameters }, ANSWER_MS)) as Answers)[command];
    } finally {
      link.close();
    }
  }

  #dial(): Promise<Link> {
    return this.#server?.dial() ?? dial(direct(this.origin), 'billing');
  }

  /** Something that happens to the cloud, as docs/sandbox.md has it. */
  cloud(method: string, request: object = {}): Promise<unknown> {
    return call(this.find('sandbox control'), method, request);
  }

  /** A fault of the cloud, until the test has ended. */
  async fault(request: object): Promise<void> {
    await this.cloud('SetFault', request);
    onTestFinished(async () => {
      await this.cloud('ClearFaults');
    });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGTERM');
    await ended;
  }

  private find(name: string): string {
    const value = this.printed.get(name);
    if (value === undefined) throw new Error(`the machine has not printed its ${name}`);
    return value;
  }
}

/** One line of JSON to a control, and one back. */
async function call(address: string, method: string, request: object): Promise<unknown> {
  const [host, port] = address.split(':');
  const socket = connect(Number(port), host);
  try {
    socket.write(`${JSON.stringify({ method, request })}\n`);
    for await (const line of createInterface({ input: socket })) {
      const answer = JSON.parse(line) as { answer?: unknown; error?: string };
      if (answer.error !== undefined) throw new Error(`${method}: ${answer.error}`);
      return answer.answer;
    }
    throw new Error(`${method}: no answer`);
  } finally {
    socket.destroy();
  }
}
