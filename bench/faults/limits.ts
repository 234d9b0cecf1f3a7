import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * What a worker process may be short of, without touching the machine for anybody else: a disk of its own that no other process
 * sees, and the system's limits of one process, which may be drawn in and let out while it runs.
 */

/** How a command is to be started so that it sees a disk at a folder; the disk vanishes with the process. */
export function onOwnDisk(folder: string, options: string): string[] {
  const mount = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"';
  return [...ownMounts()!, 'sh', '-c', mount, 'sh', options, folder];
}

/** Where another process finds the disk of a process. */
export const seenBy = (pid: number, path: string): string => `/proc/${pid}/root${path}`;

/** Why there can be no disk for one process here; null where there can. */
export const withoutOwnDisk = (): string | null =>
  ownMounts() ? null : 'this account may not mount a disk for one process (unshare --mount)';

/** By the account's own right, or as the root of a name space. */
const WAYS = [
  ['unshare', '--mount'],
  ['unshare', '--mount', '--map-root-user'],
];
let way: readonly string[] | null | undefined;

function ownMounts(): readonly string[] | null {
  const works = ([command, ...args]: readonly string[]): boolean =>
    spawnSync(command!, [...args, 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0;
  way ??= process.platform === 'linux' ? (WAYS.find(works) ?? null) : null;
  return way;
}

/** Limits of a process that are drawn in here: of open files, of memory (private pages), of a file's size. */
export type Limit = 'nofile' | 'data' | 'fsize';

const run = promisify(execFile);

/** Draws a limit in; what is given back lets it out again. Above the soft limit nothing is changed, so nobody need be root. */
export async function drawIn(pid: number, limit: Limit, to: number): Promise<() => Promise<void>> {
  const before = await run('prlimit', ['--pid', `${pid}`, `--${limit}`, '--output', 'SOFT', '--noheadings', '--raw']);
  await run('prlimit', ['--pid', `${pid}`, `--${limit}=${to}:`]);
  return async () => void (await run('prlimit', ['--pid', `${pid}`, `--${limit}=${before.stdout.trim()}:`]));
}

/** Why no limit can be drawn in here; null where it can. */
export const withoutLimits = (): string | null =>
  spawnSync('prlimit', ['--version']).status === 0 ? null : 'this system has no prlimit (util-linux)';
