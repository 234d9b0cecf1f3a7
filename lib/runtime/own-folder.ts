import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

/** What lies in a folder of ours among the temporary files: a session's model, or embeddings. */
export type FolderKind = 'model' | 'embeddings';

const KINDS: readonly FolderKind[] = ['model', 'embeddings'];

/** Folders of this machine; processes of others, which may share the place, are not known here. */
const own = (kind: FolderKind): string => `samflow-${kind}-${hostname().replace(/[^\w.]/g, '_')}-`;

let swept: Promise<void> | undefined;

/** A new folder among the temporary files, to be removed by whoever asked for it. The first one removes what is left of others. */
export async function makeOwnFolder(kind: FolderKind): Promise<string> {
  swept ??= sweepOwnFolders();
  await swept;
  return mkdtemp(join(tmpdir(), `${own(kind)}${process.pid}-`));
}

/** The same for as long as `use` takes. */
export async function withOwnFolder<T>(kind: FolderKind, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeOwnFolder(kind);
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what processes of this machine have left that were killed meanwhile. */
export async function sweepOwnFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const kind = KINDS.find((kind) => name.startsWith(own(kind)));
    const pid = kind ? Number.parseInt(name.slice(own(kind).length), 10) : Number.NaN;
    if (!Number.isNaN(pid) && isGone(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM: it is somebody else's, and alive.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
