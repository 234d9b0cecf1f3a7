import type { FileHandle } from 'node:fs/promises';

/**
 * The headers of a tar archive, read where they stand: POSIX.1-2017 (pax, ustar), and GNU's long names and large numbers.
 *
 * Own code, because a reader that says at which byte an entry lies lets files be read in place, as from a zip; the kept
 * libraries (tar, tar-stream) hand out streams, whose content would have to be written a second time, and bring 6 and 12
 * packages for what is a hundred lines here.
 */
export interface TarEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  readonly bytes: number;
  /** Where the content begins. */
  readonly offset: number;
}

/** What is wrong with an archive, in words; the caller knows its name. */
export class TarDamage extends Error {
  override readonly name = 'TarDamage';
}

const BLOCK = 512;
/** Extended headers hold names and numbers; a larger one is made to take memory. */
const MAX_EXTENDED_BYTES = 2 ** 20;

/** @throws TarDamage */
export async function* tarEntries(handle: FileHandle): AsyncGenerator<TarEntry> {
  const { size } = await handle.stat();
  /** What extended headers say of the entry after them. */
  let extended: Extended = {};
  for (let offset = 0; ; ) {
    const header = await readAt(handle, offset, BLOCK);
    // A block of zeros ends the archive; without one it was cut off, if only between two entries.
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    const type = String.fromCharCode(header[156]!);
    const bytes = (EXTENDED.has(type) ? undefined : extended.bytes) ?? numberIn(header, 124, 12);
    const content = offset + BLOCK;
    const next = content + Math.ceil(bytes / BLOCK) * BLOCK;
    if (!Number.isSafeInteger(next) || content + bytes > size) throw new TarDamage('an end in the middle of an entry');
    if (EXTENDED.has(type)) {
      if (bytes > MAX_EXTENDED_BYTES) throw new TarDamage(`an extended header of ${bytes} bytes`);
      extended = { ...extended, ...readExtended(type, await readAt(handle, content, bytes)) };
    } else {
      const name = extended.name ?? nameIn(header);
      yield { name, kind: extended.sparse ? 'other' : kindOf(type, name), bytes, offset: content };
      extended = {};
    }
    offset = next;
  }
}

/** Whether bytes begin like an archive of this kind. Archives older than ustar (1988) carry no such mark. */
export function looksLikeTar(start: Uint8Array): boolean {
  return Buffer.from(start.subarray(257, 262)).toString('latin1') === 'ustar';
}

interface Extended {
  name?: string;
  bytes?: number;
  /** The content is not the file's: GNU leaves out runs of zeros. */
  sparse?: boolean;
}

/** `x`: pax, of the next entry; `g`: pax, of all (their names would make no sense); `L`, `K`: GNU's long name and link. */
const EXTENDED = new Set(['x', 'g', 'L', 'K']);

function readExtended(type: string, bytes: Buffer): Extended {
  if (type === 'L') return { name: textUntilZero(bytes) };
  return type === 'x' ? paxRecords(bytes) : {};
}

/** Records are `LENGTH KEY=VALUE\n`, where LENGTH counts all of it, itself included. */
function paxRecords(bytes: Buffer): Extended {
  const found: Extended = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(' ', at);
    const length = Number(bytes.toString('latin1', at, space));
    const [from, to] = [space + 1, at + length - 1];
    const equals = bytes.indexOf('=', from);
    const broken = space < 0 || !Number.isInteger(length) || equals < from || equals >= to || bytes[to] !== 10;
    if (broken) throw new TarDamage('an extended header that cannot be read');
    const [key, value] = [bytes.toString('utf8', from, equals), bytes.toString('utf8', equals + 1, to)];
    if (key === 'path') found.name = value;
    if (key === 'size') found.bytes = wholeNumber(value, 10);
    if (key.startsWith('GNU.sparse.')) found.sparse = true;
    at += length;
  }
  return found;
}

function kindOf(type: string, name: string): TarEntry['kind'] {
  if (type === '1' || type === '2') return 'link';
  if (type === '5') return 'folder';
  // '\0' is that of archives before POSIX, which mark folders by a slash; '7' may be treated as a plain file.
  if (type === '0' || type === '\0' || type === '7') return name.endsWith('/') ? 'folder' : 'file';
  return 'other';
}

function nameIn(header: Buffer): string {
  const name = textUntilZero(header.subarray(0, 100));
  // GNU's own format keeps times where ustar has the prefix of a long name.
  const isPosix = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? textUntilZero(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** The sum of all bytes, with spaces in place of the sum itself. */
function checkSum(header: Buffer): void {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (sum !== numberIn(header, 148, 8)) throw new TarDamage('a header with another checksum than it states');
}

/** Octal digits; or, where the first bit is set, GNU's big-endian binary number. */
function numberIn(header: Buffer, at: number, length: number): number {
  if (header[at]! & 0x80) {
    const large = header.subarray(at + 1, at + length).reduce((total, byte) => total * 256 + byte, header[at]! & 0x7f);
    if (!Number.isSafeInteger(large)) throw new TarDamage('a size beyond all measure');
    return large;
  }
  const text = header
    .toString('latin1', at, at + length)
    .replace(/[ \0]+$/, '')
    .trimStart();
  return text === '' ? 0 : wholeNumber(text, 8);
}

function wholeNumber(text: string, base: 8 | 10): number {
  const value = (base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(text) ? Number.parseInt(text, base) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new TarDamage('a header with a number that is none');
  return value;
}

function textUntilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const block = Buffer.alloc(length);
  const { bytesRead } = await handle.read(block, 0, length, offset);
  if (bytesRead < length) throw new TarDamage('no end mark');
  return block;
}
