import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Fault } from '../lib/fault.ts';
import type { Device } from '../lib/runtime/session.ts';

/** A script of bench/reference, and what it needs installed. */
const SIDES = {
  engine: { script: 'reference.py', requirements: 'requirements.txt' },
  data: { script: 'data.py', requirements: 'requirements-data.txt' },
} as const;
type Side = keyof typeof SIDES;

/** How to get what a side needs. */
const installing = (side: Side): string =>
  `python3 -m venv .samflow/reference && .samflow/reference/bin/pip install -r bench/reference/${SIDES[side].requirements}, ` +
  'then set SAMFLOW_PYTHON=.samflow/reference/bin/python';

/** A line of the process: see bench/reference/serving.py. */
type Answer = { readonly ready: Record<string, string> } | { readonly value: number } | { readonly error: string };

/** Python with what it is held against in one long-lived process, so that its runs and ours can take turns. */
export class ReferenceProcess {
  private readonly child: ChildProcess;
  private readonly python: string;
  private readonly side: Side;
  private readonly waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  private errors = '';
  private isReady = false;
  private ended: Error | undefined;

  private constructor(python: string, side: Side, threads: number, device: Device) {
    this.python = python;
    this.side = side;
    const script = fileURLToPath(new URL(`./reference/${SIDES[side].script}`, import.meta.url));
    this.child = spawn(python, [script, String(threads), device], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) },
    });
    createInterface(this.child.stdout!).on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line)));
    this.child.stderr!.on('data', (chunk) => {
      this.errors = `${this.errors}${chunk}`.slice(-4000);
    });
    this.child.on('error', (error) => this.end(error.message));
    this.child.on('close', (code) => this.end(`it ended with code ${code}: ${this.errors.trim().split('\n').at(-1)}`));
    // A process that ended cannot be written to; what is told is how it ended.
    this.child.stdin!.on('error', () => undefined);
  }

  /** Throws BENCH_REFERENCE where there is no Python, or not the pinned versions. */
  static async start(
    { threads, device, side = 'engine' }: { readonly threads: number; readonly device: Device; readonly side?: Side },
    python = process.env.SAMFLOW_PYTHON || 'python3',
  ): Promise<ReferenceProcess> {
    const reference = new ReferenceProcess(python, side, threads, device);
    await reference.next();
    reference.isReady = true;
    return reference;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Does a row's work once. Gives seconds (bytes for `memory`). Throws BENCH_REFERENCE where it could not be done. */
  async run(row: string, args?: object): Promise<number> {
    this.child.stdin!.write(`${JSON.stringify({ run: row, with: args })}\n`);
    const answer = await this.next();
    return (answer as { value: number }).value;
  }

  async close(): Promise<void> {
    if (this.ended) return;
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin!.end();
    await closed;
  }

  private async next(): Promise<Answer> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      if (this.ended) reject(this.ended);
      else this.waiting.push({ resolve, reject });
    });
    if ('error' in answer) throw this.fault(answer.error);
    return answer;
  }

  private end(how: string): void {
    this.ended ??= this.fault(how);
    for (const { reject } of this.waiting.splice(0)) reject(this.ended);
  }

  private fault(found: string): Fault {
    const { script, requirements } = SIDES[this.side];
    const [expected, fix] = this.isReady
      ? ['an answer', `Run bench/reference/${script} by itself to see more`]
      : [`the versions of bench/reference/${requirements}`, `Install them: ${installing(this.side)}`];
    return new Fault('BENCH_REFERENCE', { at: this.python, found, expected, fix });
  }
}
