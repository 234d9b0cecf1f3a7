import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Fault } from '../lib/fault.ts';
import type { Device } from '../lib/runtime/session.ts';

const SCRIPT = fileURLToPath(new URL('./reference/reference.py', import.meta.url));
/** How to get what the reference side needs. */
const INSTALL =
  'python3 -m venv .samflow/reference && .samflow/reference/bin/pip install -r bench/reference/requirements.txt, ' +
  'then set SAMFLOW_PYTHON=.samflow/reference/bin/python';

/** A line of the process: see bench/reference/reference.py. */
type Answer = { readonly ready: Record<string, string> } | { readonly value: number } | { readonly error: string };

/** PyTorch, Pillow and NumPy in one long-lived Python process, so that its runs and ours can take turns. */
export class ReferenceProcess {
  private readonly child: ChildProcess;
  private readonly python: string;
  private readonly waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  private errors = '';
  private isReady = false;
  private ended: Error | undefined;

  private constructor(python: string, threads: number, device: Device) {
    this.python = python;
    this.child = spawn(python, [SCRIPT, String(threads), device], {
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
    { threads, device }: { readonly threads: number; readonly device: Device },
    python = process.env.SAMFLOW_PYTHON || 'python3',
  ): Promise<ReferenceProcess> {
    const reference = new ReferenceProcess(python, threads, device);
    await reference.next();
    reference.isReady = true;
    return reference;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Does a row's work once. Gives seconds (bytes for `memory`). Throws BENCH_REFERENCE where it could not be done. */
  async run(row: string): Promise<number> {
    this.child.stdin!.write(`${JSON.stringify({ run: row })}\n`);
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
    const [expected, fix] = this.isReady
      ? ['an answer', 'Run bench/reference/reference.py by itself to see more']
      : ['the versions of bench/reference/requirements.txt', `Install them: ${INSTALL}`];
    return new Fault('BENCH_REFERENCE', { at: this.python, found, expected, fix });
  }
}
