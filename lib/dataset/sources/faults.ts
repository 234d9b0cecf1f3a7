import { basename } from 'node:path';
import { Fault } from '../../fault.ts';
import { diskFault, errnoOf } from '../../http/fetch-into.ts';

/**
 * Faults of sources travel into histories and logs. They name an archive, a place in it, or a base name. The file system's
 * own errors hold the whole path, which may name a patient, so none of them is kept as a cause: its code stands in `found`.
 */

/** The file system's errors about a source as sentences; anything else unchanged. */
export function accessFault(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === null) return error;
  const at = basename(path) || 'source.path';
  const make = (code: string, found: string, expected: string, fix: string) =>
    new Fault(code, { at, found: `${found} (${errno})`, expected, fix });
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return make('SOURCE_MISSING', 'nothing at this path', 'a folder or an archive', 'Check `source.path`');
    case 'EACCES':
    case 'EPERM':
      return make('SOURCE_DENIED', 'no permission to read', 'a readable path', 'Change the permissions of the path');
    default:
      return diskFault(at, error) ?? unreadable(at, errno);
  }
}

/** Errors of the cache folder as sentences; anything else, a network's errors among them, unchanged. */
export function cacheFault(error: unknown): unknown {
  const at = 'the cache';
  const errno = errnoOf(error) ?? '';
  if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENAMETOOLONG'].includes(errno)) {
    const fix = 'Let SAMFLOW_CACHE of the io worker name a folder that it may write to';
    const found = `a folder that cannot be used (${errno})`;
    return new Fault('SOURCE_CACHE', { at, found, expected: 'room for downloads', fix });
  }
  if (['ENOENT', 'EIO', 'ESTALE'].includes(errno)) return unreadable(at, errno);
  return diskFault(at, error) ?? error;
}

function unreadable(at: string, errno: string): Fault {
  const found = `an error of the file system (${errno})`;
  const fix = 'Check the disk or the network share';
  return new Fault('SOURCE_UNREADABLE', { at, found, expected: 'files that can be read', fix });
}

export function missingFile(): Fault {
  return new Fault('SOURCE_FILE_MISSING', {
    at: 'the source',
    found: 'no file of the name that was asked for',
    expected: 'a file of its listing',
    fix: 'Check the paths under `dataset`',
  });
}

/** More than a buffer of Node 20 holds. */
export function fileTooLarge(at: string, bytes: number, expected: number): Fault {
  const fix = 'Crop or compress the file (.nii.gz)';
  return new Fault('SOURCE_TOO_LARGE', { at, found: `a file of ${bytes} bytes`, expected: `at most ${expected}`, fix });
}
