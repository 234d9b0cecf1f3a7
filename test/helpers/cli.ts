import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../../infra/dev/lock.mjs';
import { toolPath } from './dev-tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMMAND = join(ROOT, 'cli/samflow.mjs');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that was started; `text` grows while it runs. */
export interface Running {
  readonly child: ChildProcess;
  text(): string;
  /** Waits until the output holds a match. */
  until(pattern: RegExp, seconds?: number): Promise<RegExpExecArray>;
  readonly finished: Promise<Finished>;
}

/** A samflow installation of a test's own: its state folder and nobody's configuration. */
export class Home {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;

  private constructor(dir: string, own: NodeJS.ProcessEnv) {
    this.dir = dir;
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(TEMPORAL|SAMFLOW|AWS|KAGGLE|NODE_TEST)_/.test(name),
    );
    this.env = { ...Object.fromEntries(inherited), PATH: toolPath(), SAMFLOW_HOME: dir, NO_COLOR: '1', ...own };
  }

  static async make(): Promise<Home> {
    return new Home(await mkdtemp(join(tmpdir(), 'samflow-home-')), {});
  }

  /** The same installation under other variables. */
  with(env: NodeJS.ProcessEnv): Home {
    return new Home(this.dir, env);
  }

  /** `samflow ...`, as `npx samflow ...` starts it. */
  start(...args: string[]): Running {
    return this.launch(process.execPath, [COMMAND, ...args]);
  }

  /** Any command in the repository, with this home's environment. */
  launch(command: string, args: readonly string[]): Running {
    const child = spawn(command, args, { cwd: ROOT, env: this.env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const finished = new Promise<Finished>((resolve) => {
      child.on('close', (code) => resolve({ code, stdout, stderr }));
    });
    const text = (): string => stdout + stderr;
    const until = async (pattern: RegExp, seconds = 120): Promise<RegExpExecArray> => {
      for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
        const match = pattern.exec(text());
        if (match) return match;
        if (child.exitCode !== null) break;
      }
      throw new Error(`${pattern} did not come; the output was:\n${text()}`);
    };
    return { child, text, until, finished };
  }

  run(...args: string[]): Promise<Finished> {
    return this.start(...args).finished;
  }

  async pidOf(pool: string): Promise<number> {
    return JSON.parse(await readFile(join(this.dir, `worker-${pool}.json`), 'utf8')).pid;
  }

  /** Process ids of the servers and workers that are at work. */
  async pids(): Promise<number[]> {
    const servers: { pids: number[] } = JSON.parse(await readFile(join(this.dir, 'servers.json'), 'utf8'));
    return [...servers.pids, ...(await Promise.all(['io', 'cpu', 'gpu'].map((pool) => this.pidOf(pool))))];
  }

  async temporalAddress(): Promise<string> {
    return JSON.parse(await readFile(join(this.dir, 'servers.json'), 'utf8')).temporal.address;
  }

  /** True where neither servers nor workers were left for the next samflow to find. */
  async isQuiet(): Promise<boolean> {
    return !(await readdir(this.dir)).some((name) => /^(servers|worker-\w+)\.(json|sock)$/.test(name));
  }

  /** Ends what is still running and removes the folder. */
  async remove(): Promise<void> {
    await this.run('dev', '--stop');
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** The object on the last line of stdout. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into it key by key
export const lastJson = ({ stdout }: Finished): any => JSON.parse(stdout.trimEnd().split('\n').at(-1)!);

/** Those of the processes that still live after a while. */
export async function survivors(pids: readonly number[], seconds = 15): Promise<number[]> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end && pids.some(isAlive); ) await sleep(100);
  return pids.filter(isAlive);
}

/** Settings that make a run short: the reference checkpoint instead of a trained one. */
export const TINY = ['--set', 'model.checkpoint=./test/fixtures/sam-tiny', '--set', 'training.patience=0'] as const;
