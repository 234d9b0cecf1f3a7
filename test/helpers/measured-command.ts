import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Run in the child before the command: tells, on its way out, what it took. */
const METER = `import { writeSync } from 'node:fs';
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  writeSync(3, JSON.stringify({ peakMb: maxRSS / 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 }));
});`;

export interface Measured {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** By the clock, from start to end of the process. */
  readonly ms: number;
  /** Of processor time, which does not count what else the machine was doing. */
  readonly cpuMs: number;
  /** Largest resident set, WebAssembly memory and all. */
  readonly peakMb: number;
}

/** `samflow ...` in a process of its own, ended after a minute; `home` keeps its state. */
export function measureCommand(args: readonly string[], home: string): Promise<Measured> {
  const start = performance.now();
  const meter = `data:text/javascript,${encodeURIComponent(METER)}`;
  const child = spawn(process.execPath, ['--import', meter, 'cli/samflow.mjs', ...args], {
    cwd: ROOT,
    env: { ...process.env, SAMFLOW_HOME: home, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  const texts = [1, 2, 3].map((at) => textOf(child.stdio[at] as Readable));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', async (code) => {
      const ms = performance.now() - start;
      const [stdout, stderr, usage] = (await Promise.all(texts)) as [string, string, string];
      resolve({ code, stdout, stderr, ms, ...JSON.parse(usage || '{"cpuMs":1e9,"peakMb":1e9}') });
    });
  });
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
