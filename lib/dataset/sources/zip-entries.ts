import type { Entry } from 'yauzl';
import { Fault } from '../../fault.ts';
import { isHidden } from './source.ts';

/**
 * What an archive may hold. Nothing is ever unpacked to disk, so an entry cannot overwrite a file; but paths travel on (into
 * patient patterns, logs), sizes become memory, and an archive that tries such things is not a data set. It is refused as
 * a whole.
 */
const MAX_ENTRIES = 500_000;
const MAX_ENTRY_BYTES = 4 * 2 ** 30 - 1;
const MAX_TOTAL_BYTES = 1024 * 2 ** 30;
/** Deflate ends at about 1030:1. A large mask of zeros comes near that too, so only what is large as well is a bomb. */
const BOMB_RATIO = 200;
const BOMB_BYTES = 256 * 2 ** 20;
const MAX_PATH_LENGTH = 1024;

const UNIX_TYPE_MASK = 0o170000;
const UNIX_SYMLINK = 0o120000;
const STORED = 0;
const DEFLATED = 8;

/**
 * The files of an archive by path, after all checks.
 * @throws Fault ZIP_SLIP, ZIP_ABSOLUTE, ZIP_PATH, ZIP_SYMLINK, ZIP_ENCRYPTED, ZIP_METHOD, ZIP_DUPLICATE, ZIP_BOMB, ZIP_TOO_LARGE
 */
export async function checkEntries(
  entries: AsyncIterable<{ name: string; entry: Entry }>,
  at: string,
): Promise<Map<string, Entry>> {
  const files = new Map<string, Entry>();
  const folders = new Set<string>();
  let count = 0;
  let total = 0;
  for await (const { name, entry } of entries) {
    if (++count > MAX_ENTRIES) throw tooLarge(at, `more than ${MAX_ENTRIES} entries`, `at most ${MAX_ENTRIES}`);
    const path = checkPath(name, at);
    checkKind(entry, path, at);
    total += entry.uncompressedSize;
    checkSize(entry, path, total, at);
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      folders.add(path.slice(0, slash));
    }
    if (path.endsWith('/')) continue;
    if (files.has(path)) throw duplicate(at, path, 'stands twice');
    files.set(path, entry);
  }
  for (const path of files.keys()) if (folders.has(path)) throw duplicate(at, path, 'is a file and a folder');
  for (const path of [...files.keys()].filter(isHidden)) files.delete(path);
  return files;
}

/** Removes `./` and doubled slashes, so that one file has one name; refuses what is not a path inside the archive. */
function checkPath(name: string, at: string): string {
  const refuse = (code: string, found: string) =>
    new Fault(code, { at, found, expected: 'relative paths inside the archive', fix: 'Do not use this archive' });
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) {
    throw refuse('ZIP_ABSOLUTE', `the absolute entry ${printable(name)}`);
  }
  const parts = name.split('/');
  if (parts.includes('..')) throw refuse('ZIP_SLIP', `entry ${printable(name)}, which climbs out of the archive`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(name) || name.length > MAX_PATH_LENGTH) {
    throw refuse('ZIP_PATH', `an entry name that is not a path (${printable(name)})`);
  }
  const path = parts.filter((part) => part !== '' && part !== '.').join('/');
  return name.endsWith('/') ? `${path}/` : path;
}

function checkKind(entry: Entry, path: string, at: string): void {
  const refuse = (code: string, found: string, expected: string, fix: string) =>
    new Fault(code, { at, found: `${found} ${printable(path)}`, expected, fix });
  if (((entry.externalFileAttributes >>> 16) & UNIX_TYPE_MASK) === UNIX_SYMLINK) {
    throw refuse('ZIP_SYMLINK', 'the symbolic link', 'files only', 'Pack the files themselves instead of links');
  }
  if (entry.isEncrypted()) {
    throw refuse('ZIP_ENCRYPTED', 'the encrypted entry', 'no password', 'Pack the files without a password');
  }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    const found = `compression method ${entry.compressionMethod} of entry`;
    throw refuse('ZIP_METHOD', found, 'stored or deflated entries', 'Pack the files with plain zip');
  }
}

/** Declared sizes bind: while an entry is read, one byte more or less than declared is an error. */
function checkSize(entry: Entry, path: string, total: number, at: string): void {
  const { compressedSize, uncompressedSize } = entry;
  if (uncompressedSize > BOMB_BYTES && uncompressedSize > compressedSize * BOMB_RATIO) {
    throw new Fault('ZIP_BOMB', {
      at,
      found: `entry ${printable(path)} of ${uncompressedSize} bytes in ${compressedSize}`,
      expected: `at most ${BOMB_RATIO} times its packed size`,
      fix: 'Do not use this archive, or pack the scans as .nii.gz',
    });
  }
  if (uncompressedSize > MAX_ENTRY_BYTES) {
    throw tooLarge(at, `entry ${printable(path)} of ${uncompressedSize} bytes`, `at most ${MAX_ENTRY_BYTES}`);
  }
  if (total > MAX_TOTAL_BYTES) throw tooLarge(at, `${total} bytes unpacked`, `at most ${MAX_TOTAL_BYTES}`);
}

const tooLarge = (at: string, found: string, expected: string) =>
  new Fault('ZIP_TOO_LARGE', { at, found, expected, fix: 'Split the data set into several archives' });

const duplicate = (at: string, path: string, what: string) =>
  new Fault('ZIP_DUPLICATE', {
    at,
    found: `entry ${printable(path)} ${what}`,
    expected: 'every name once',
    fix: 'Pack the archive again',
  });

/** One line, without control characters, at most 80 characters. */
function printable(name: string): string {
  const text = JSON.stringify(name);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
