import { open, opendir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Fault } from '../../fault.ts';
import { errnoOf } from '../../http/fetch-into.ts';
import { digestOf } from './digest.ts';
import { accessFault, fileTooLarge, missingFile } from './faults.ts';
import { readBytesAt } from './read-bytes.ts';
import { byPath, isHidden, MAX_FILE_BYTES, MAX_FILES, type SourceFile, type SourceListing } from './source.ts';

/** A folder on this machine. Links are followed: who may write the folder may also point out of it. */
export async function openFolder(folder: string): Promise<SourceListing> {
  const files = await listFolder(folder);
  const known = new Set(files.map((file) => file.path));
  return {
    fingerprint: fingerprint(files),
    files: files.map(({ path, bytes }) => ({ path, bytes })),
    async read(path) {
      if (!known.has(path)) throw missingFile();
      return readWhole(join(folder, path)).catch((error: unknown) => {
        throw errnoOf(error) === 'ENOENT' ? missingFile() : accessFault(path, error);
      });
    },
    async close() {},
  };
}

export async function fingerprintFolder(folder: string): Promise<string> {
  return fingerprint(await listFolder(folder));
}

type DatedFile = SourceFile & { mtimeMs: number };

function fingerprint(files: readonly DatedFile[]): string {
  return digestOf(['folder', ...files.flatMap(({ path, bytes, mtimeMs }) => [path, bytes, mtimeMs])]);
}

async function listFolder(folder: string): Promise<DatedFile[]> {
  const files: DatedFile[] = [];
  /** Folders above the present one, without links: a link to one of them would go round for ever. */
  const walk = async (relative: string, above: readonly string[]): Promise<void> => {
    const here = await realpath(join(folder, relative));
    if (above.includes(here)) return;
    for await (const { name } of await opendir(here)) {
      const path = relative === '' ? name : `${relative}/${name}`;
      if (isHidden(name)) continue;
      // A link that leads nowhere is nothing; what is there and cannot be looked at must not vanish quietly.
      const info = await stat(join(folder, path)).catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return null;
        throw error;
      });
      if (info?.isDirectory()) await walk(path, [...above, here]);
      else if (info?.isFile()) files.push({ path, bytes: info.size, mtimeMs: Math.trunc(info.mtimeMs) });
      if (files.length > MAX_FILES) throw tooMany(folder);
    }
  };
  try {
    await walk('', []);
  } catch (error) {
    throw accessFault(folder, error);
  }
  return files.sort(byPath);
}

async function readWhole(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    if (size > MAX_FILE_BYTES) throw fileTooLarge(basename(file), size, MAX_FILE_BYTES);
    const bytes = await readBytesAt(handle, 0, size);
    if (bytes.length < size) throw shrunk(basename(file), bytes.length, size);
    return bytes;
  } finally {
    await handle.close();
  }
}

function shrunk(at: string, found: number, expected: number): Fault {
  return new Fault('SOURCE_CHANGED', {
    at,
    found: `an end after ${found} bytes`,
    expected: `${expected}, as when it was opened`,
    fix: 'Start again when nobody writes to the folder',
  });
}

function tooMany(folder: string): Fault {
  return new Fault('SOURCE_TOO_LARGE', {
    at: basename(folder) || folder,
    found: `more than ${MAX_FILES} files`,
    expected: 'the folder of one data set',
    fix: 'Let `source.path` name the folder that holds the scans',
  });
}
