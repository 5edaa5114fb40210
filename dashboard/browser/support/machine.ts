/** A stand-in machine with the real module in it, as a process of its own, and a way to what happens to it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const python = process.env['PYTHON'] ?? join(root, '.venv', 'bin', 'python');

export type Scene = 'steady' | 'over-budget' | 'overdue' | 'cloud-away' | 'unknown-charge' | 'fleet-10000';
type Attributes = Record<string, unknown>;

export interface Status {
  module_pid: number | null;
  module_ready: boolean;
}

/** The machine of every scene, by its ID. */
export const MACHINE_ID = '5d1c7b3a-2e4f-4a86-9b0c-1f2e3d4c5b6a';

export class Machine {
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
      if (name === 'machine ready') return new Machine(child, printed);
    }
    throw new Error(`the machine did not start: ${errors.join('')}`);
  }

  /** Where it is, such as `http://localhost:40123`. */
  get origin(): string {
    return this.find('machine ready');
  }

  /** The page as on a site of one's own. */
  get page(): string {
    return `${this.origin}/?host=${new URL(this.origin).host}`;
  }

  /** Something that happens to the machine; complete when it returns. */
  async does(method: string, request: object = {}): Promise<Status> {
    return (await call(this.find('machine control'), method, request)) as Status;
  }

  /** Something that happens to the cloud, as docs/sandbox.md has it. */
  cloud(method: string, request: object = {}): Promise<unknown> {
    return call(this.find('sandbox control'), method, request);
  }

  async stop(): Promise<void> {
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
