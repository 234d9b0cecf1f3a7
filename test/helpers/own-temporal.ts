import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { freePort } from '../../infra/dev/ports.ts';
import { TEMPORAL_SETTINGS } from '../../infra/dev/servers.ts';
import { findTool } from '../../infra/dev/tools.ts';
import { INSTALLED } from './dev-servers.ts';
import { until } from './until.ts';

/** A Temporal server of the test's own, which may be killed and comes back on its database at the same address. */
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

  static async start(): Promise<OwnTemporal> {
    const folder = await mkdtemp(join(tmpdir(), 'samflow-temporal-'));
    const command = await findTool('temporal', { stateDir: INSTALLED });
    const temporal = new OwnTemporal(folder, command!, await freePort());
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
    this.#child = spawn(this.#command, args, { stdio: 'ignore' });
    await until(() => this.#answers(), 60);
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
