import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isAlive } from './lock.mjs';

const run = promisify(execFile);
const GRACE_MS = 5_000;

/**
 * Ends processes that a state file names although its supervisor is gone (it was killed itself). A number alone proves
 * nothing, for the system gives it out again: the process must have `mark` in its command line.
 */
export async function endLeftovers(pids: readonly number[], mark: string): Promise<void> {
  const ours: number[] = [];
  for (const pid of pids) if (isAlive(pid) && (await commandLine(pid)).includes(mark)) ours.push(pid);
  for (const pid of ours) signal(pid, 'SIGTERM');
  const deadline = Date.now() + GRACE_MS;
  while (ours.some(isAlive) && Date.now() < deadline) await sleep(50);
  for (const pid of ours.filter(isAlive)) signal(pid, 'SIGKILL');
}

/** Waits for a process that is about to end: until it has, or is another one, or the time is over, or the signal aborts. */
export async function waitForEnd(pid: number, mark: string, ms: number, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + ms;
  while (Date.now() < deadline && isAlive(pid) && (await commandLine(pid)).includes(mark)) {
    signal?.throwIfAborted();
    await sleep(50);
  }
}

async function commandLine(pid: number): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  } catch {
    // No /proc (macOS), or the process is gone.
    return run('ps', ['-o', 'args=', '-p', String(pid)]).then(
      ({ stdout }) => stdout,
      () => '',
    );
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone in the meantime.
  }
}
