import { opendir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Fault } from '../../fault.ts';
import { diskFault } from '../../http/fetch-into.ts';
import { digestOf } from './digest.ts';
import { byPath, isHidden, type SourceFile, type SourceListing } from './source.ts';

/** More than any data set has: a `path` that names the root of a disk ends here and not after an hour. */
const MAX_FILES = 500_000;

/** A folder on this machine. Links are followed: who may write the folder may also point out of it. */
export async function openFolder(folder: string): Promise<SourceListing> {
  const files = await listFolder(folder);
  const known = new Set(files.map((file) => file.path));
  return {
    fingerprint: fingerprint(files),
    files: files.map(({ path, bytes }) => ({ path, bytes })),
    async read(path) {
      if (!known.has(path)) throw missingFile(path);
      try {
        return await readFile(join(folder, path));
      } catch (cause) {
        throw accessFault(path, cause);
      }
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
      const info = await stat(join(folder, path)).catch(() => null);
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

export function missingFile(path: string): Fault {
  return new Fault('SOURCE_FILE_MISSING', {
    at: basename(path),
    found: 'no such file in the source',
    expected: 'a file of the source listing',
    fix: 'Check the paths under `dataset`',
  });
}

/** Turns the file system's errors into sentences; anything else passes unchanged. */
export function accessFault(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const at = basename(path) || path;
  const make = (name: string, found: string, expected: string, fix: string) =>
    new Fault(name, { at, found, expected, fix }, { cause: error });
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return make('SOURCE_MISSING', 'nothing at this path', 'a folder or a .zip file', 'Check `source.path`');
    case 'EACCES':
    case 'EPERM':
      return make('SOURCE_DENIED', 'no permission to read', 'a readable path', 'Change the permissions of the path');
    default:
      return diskFault(at, error) ?? error;
  }
}

function tooMany(folder: string): Fault {
  return new Fault('SOURCE_TOO_LARGE', {
    at: basename(folder) || folder,
    found: `more than ${MAX_FILES} files`,
    expected: 'the folder of one data set',
    fix: 'Let `source.path` name the folder that holds the scans',
  });
}
