import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { stateDirOf } from '../../cli/dev/folders.ts';
import { freePort } from '../../infra/dev/ports.ts';
import { TEMPORAL_SETTINGS } from '../../infra/dev/servers.ts';
import { ensureTool } from '../../infra/dev/tools.ts';

const READY_MS = 60_000;

/** A Temporal server of our own, which may be killed and comes back on its database at the same address. */
export class OwnTemporal {
  readonly address: string;
  readonly #folder: string;
  readonly #command: string;
  readonly #port: number;
  #child: ChildProcess | null = null;

  private constructor(folder: string, command: string, port: number) {
    this.#folder = folder;
    this.#command = command;
    this.#port = port;
    this.address = `127.0.0.1:${port}`;
  }

  static async start(env: NodeJS.ProcessEnv): Promise<OwnTemporal> {
    const command = await ensureTool('temporal', { stateDir: stateDirOf(env), env });
    const folder = await mkdtemp(join(tmpdir(), 'samflow-temporal-'));
    const temporal = new OwnTemporal(folder, command, await freePort());
    await temporal.start();
    return temporal;
  }

  async start(): Promise<void> {
    const settings = Object.entries(TEMPORAL_SETTINGS).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const args = [
      ...['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--port', `${this.#port}`, '--log-level', 'error'],
      ...['--db-filename', join(this.#folder, 'temporal.db')],
      ...settings.flatMap((setting) => ['--dynamic-config-value', setting]),
    ];
    const child = spawn(this.#command, args, { stdio: 'ignore' });
    this.#child = child;
    // Not to outlive whoever started it.
    process.once('exit', () => child.kill('SIGKILL'));
    for (const end = Date.now() + READY_MS; !(await this.#answers()); await sleep(20)) {
      if (Date.now() > end) throw new Error(`no Temporal server after ${READY_MS / 1000} s`);
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    try {
      const connection = await Connection.connect({ address: this.address, connectTimeout: '1s' });
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      await connection.close();
      return true;
    } catch {
      return false;
    }
  }
}
