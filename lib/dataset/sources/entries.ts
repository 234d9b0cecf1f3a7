import { Fault } from '../../fault.ts';
import { isHidden, MAX_FILE_BYTES, MAX_FILES } from './source.ts';

/**
 * What an archive may hold. Nothing is ever unpacked to disk under an entry's name, so an entry cannot overwrite a file; but
 * paths travel on (into patient patterns, logs), sizes become memory, and an archive that tries such things is not a data
 * set. It is refused as a whole. Faults name entries by number, as `unzip -l` and `tar -t` list them: their names may be
 * patients', or an attacker's.
 */
const MAX_TOTAL_BYTES = 1024 * 2 ** 30;
/** Deflate ends at about 1030:1. A large mask of zeros comes near that too, so only what is large as well is a bomb. */
const BOMB_RATIO = 200;
const BOMB_BYTES = 256 * 2 ** 20;
const MAX_PATH_LENGTH = 1024;

/** The codes of one kind of archive. */
export interface EntryCodes {
  readonly absolute: string;
  readonly slip: string;
  readonly path: string;
  readonly duplicate: string;
  readonly bomb: string;
  readonly tooLarge: string;
}

export interface Ledger<E> {
  /**
   * Checks the next entry, with its size as the archive declares it. Gives its number, from 1, and its path in the archive;
   * null where it is a folder.
   */
  add(name: string, bytes: number, entry: E): { number: number; path: string | null };
  /** The files by path, without hidden ones, when all entries are in. */
  files(): Map<string, NumberedEntry<E>>;
}

export interface NumberedEntry<E> {
  readonly entry: E;
  readonly number: number;
}

/** `packedBytes`: size of the archive itself; null where what it unpacks to has been bounded before. */
export function openLedger<E>(at: string, codes: EntryCodes, packedBytes: number | null): Ledger<E> {
  const files = new Map<string, NumberedEntry<E>>();
  const folders = new Map<string, number>();
  let count = 0;
  let total = 0;
  return {
    add(name, bytes, entry) {
      const number = ++count;
      if (number > MAX_FILES) throw tooLarge(at, codes, `more than ${MAX_FILES} entries`, `at most ${MAX_FILES}`);
      const path = checkPath(name, number, at, codes);
      total += bytes;
      checkSize(number, bytes, at, codes);
      checkTotal(total, at, codes);
      if (packedBytes !== null) checkRatio(`${total} bytes`, total, packedBytes, at, codes.bomb);
      for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
        folders.set(path.slice(0, slash), number);
      }
      if (path.endsWith('/')) return { number, path: null };
      const other = files.get(path);
      if (other) throw duplicate(at, codes, `entries ${other.number} and ${number} of the same name`);
      files.set(path, { entry, number });
      return { number, path };
    },
    files() {
      for (const [path, { number }] of files) {
        const below = folders.get(path);
        if (below === undefined) continue;
        throw duplicate(at, codes, `entry ${number}, a file, under the name of a folder of entry ${below}`);
      }
      return new Map([...files].filter(([path]) => !isHidden(path)));
    },
  };
}

/** Removes `./` and doubled slashes, so that one file has one name; refuses what is not a path inside the archive. */
function checkPath(name: string, number: number, at: string, codes: EntryCodes): string {
  const refuse = (code: string, found: string) =>
    new Fault(code, {
      at,
      found: `entry ${number}, ${found}`,
      expected: 'relative paths inside the archive',
      fix: 'Do not use this archive',
    });
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) throw refuse(codes.absolute, 'whose path is absolute');
  const parts = name.split('/');
  if (parts.includes('..')) throw refuse(codes.slip, 'which climbs out of the archive');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(name) || name.length > MAX_PATH_LENGTH) {
    throw refuse(codes.path, 'whose name is not a path');
  }
  const path = parts.filter((part) => part !== '' && part !== '.').join('/');
  return name.endsWith('/') || path === '' ? `${path}/` : path;
}

/** Declared sizes bind: while an entry is read, one byte more or less than declared is an error. */
function checkSize(number: number, bytes: number, at: string, codes: EntryCodes): void {
  if (bytes <= MAX_FILE_BYTES) return;
  throw tooLarge(at, codes, `entry ${number} of ${bytes} bytes`, `at most ${MAX_FILE_BYTES}`);
}

export function checkTotal(total: number, at: string, codes: EntryCodes): void {
  if (total <= MAX_TOTAL_BYTES) return;
  throw tooLarge(at, codes, `${total} bytes or more unpacked`, `at most ${MAX_TOTAL_BYTES}`);
}

/** Refuses what unpacks to far more than it takes packed, be it one entry, many small ones, or one that stands for many. */
export function checkRatio(what: string, bytes: number, packedBytes: number, at: string, code: string): void {
  if (bytes <= BOMB_BYTES || bytes <= packedBytes * BOMB_RATIO) return;
  throw new Fault(code, {
    at,
    found: `${what} packed into ${packedBytes}`,
    expected: `at most ${BOMB_RATIO} times the packed size`,
    fix: 'Do not use this archive, or pack the scans as .nii.gz',
  });
}

const tooLarge = (at: string, { tooLarge: code }: EntryCodes, found: string, expected: string) =>
  new Fault(code, { at, found, expected, fix: 'Split the data set into several archives' });

const duplicate = (at: string, { duplicate: code }: EntryCodes, found: string) =>
  new Fault(code, { at, found, expected: 'every name once', fix: 'Pack the archive again' });
