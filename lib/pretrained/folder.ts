import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type FileState, fileChanged, type ModelFile, type Place } from './place.ts';

/** A folder on this machine. `origin` is how the configuration names it. */
export function openFolder(folder: string, origin: string): Place {
  return {
    name: basename(folder),
    origin,
    pinned: false,
    state: (file) => stateOf(join(folder, file)),
    open: (file) => openFile(join(folder, file)),
    async discard() {},
  };
}

/** Null where there is no file. */
export async function openFile(path: string, sha256?: string): Promise<ModelFile | null> {
  const state = await stateOf(path);
  if (!state) return null;
  return {
    bytes: state.bytes,
    ...(sha256 !== undefined && { sha256 }),
    async read(target, from) {
      const handle = await open(path);
      try {
        const now = await handle.stat();
        if (now.size !== state.bytes || versionOf(now) !== state.version) throw fileChanged(basename(path));
        for (let done = 0; done < target.length; ) {
          const { bytesRead } = await handle.read(target, done, target.length - done, from + done);
          if (bytesRead === 0) throw fileChanged(basename(path));
          done += bytesRead;
        }
      } finally {
        await handle.close();
      }
    },
  };
}

async function stateOf(path: string): Promise<FileState | null> {
  const info = await stat(path).catch(() => null);
  return info?.isFile() ? { bytes: info.size, version: versionOf(info) } : null;
}

const versionOf = ({ mtimeMs }: { mtimeMs: number }): string => String(Math.trunc(mtimeMs));
