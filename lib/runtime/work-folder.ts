import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Folders of this machine; processes of others, which may share the place, are not known here. */
const OWN = `samflow-work-${hostname().replace(/[^\w.]/g, '_')}-`;

/**
 * A folder among the temporary files for as long as `use` takes. What a process leaves that is killed meanwhile is removed by the
 * next one of this machine; what could not be removed, for want of a file handle, by the next call.
 */
export async function withWorkFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  await tidy();
  const folder = await mkdtemp(join(tmpdir(), `${OWN}${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    await remove(folder).catch(() => left.add(folder));
  }
}

const left = new Set<string>();
let isSwept = false;

async function tidy(): Promise<void> {
  for (const folder of left) {
    await remove(folder).then(
      () => left.delete(folder),
      () => undefined,
    );
  }
  if (isSwept) return;
  // Where it fails, the work itself will say why.
  isSwept = await sweepWorkFolders().then(
    () => true,
    () => false,
  );
}

/** Removes what processes of this machine have left that were killed at work. */
export async function sweepWorkFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(OWN) ? Number.parseInt(name.slice(OWN.length), 10) : Number.NaN;
    if (!Number.isNaN(pid) && isGone(pid)) await remove(join(tmpdir(), name));
  }
}

const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM: it is somebody else's, and alive.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
