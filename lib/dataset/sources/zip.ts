import { open } from 'node:fs/promises';
import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from 'yauzl';
import { Fault, isFault } from '../../fault.ts';
import { crc32 } from './crc32.ts';
import { checkRatio, type EntryCodes, type NumberedEntry, openLedger } from './entries.ts';
import { accessFault, missingFile } from './faults.ts';
import { byPath, type SourceListing } from './source.ts';

const CODES: EntryCodes = {
  absolute: 'ZIP_ABSOLUTE',
  slip: 'ZIP_SLIP',
  path: 'ZIP_PATH',
  duplicate: 'ZIP_DUPLICATE',
  bomb: 'ZIP_BOMB',
  tooLarge: 'ZIP_TOO_LARGE',
};
const UNIX_TYPE_MASK = 0o170000;
const UNIX_SYMLINK = 0o120000;
const STORED = 0;
const DEFLATED = 8;

export interface ZipOptions {
  /** Names the archive in errors. */
  readonly at: string;
  readonly fingerprint: string;
}

/**
 * A .zip file on this machine, read in place: nothing is unpacked to disk.
 * @throws Fault SOURCE_MISSING, SOURCE_DENIED, ZIP_…
 */
export async function openZip(file: string, { at, fingerprint }: ZipOptions): Promise<SourceListing> {
  const packedBytes = await checkSignature(file, at);
  let zip: ZipFile | undefined;
  try {
    // Names stay bytes here: yauzl would refuse bad ones itself, but with a message where we want a code.
    const archive = await openPromise(file, { autoClose: false, decodeStrings: false });
    zip = archive;
    const entries = await readDirectory(archive, packedBytes, at);
    return {
      fingerprint,
      files: [...entries].map(([path, { entry }]) => ({ path, bytes: entry.uncompressedSize })).sort(byPath),
      async read(path) {
        const entry = entries.get(path);
        if (!entry) throw missingFile();
        return readEntry(archive, entry, at);
      },
      async close() {
        archive.close();
      },
    };
  } catch (error) {
    zip?.close();
    const known = accessFault(file, error);
    throw isFault(known) ? known : directoryFault(at, error);
  }
}

async function readDirectory(
  archive: ZipFile,
  packedBytes: number,
  at: string,
): Promise<Map<string, NumberedEntry<Entry>>> {
  const ledger = openLedger<Entry>(at, CODES, packedBytes);
  for await (const { name, entry } of withNames(archive)) {
    const { number } = ledger.add(name, entry.uncompressedSize, entry);
    checkKind(entry, number, at);
    const what = `entry ${number} of ${entry.uncompressedSize} bytes`;
    checkRatio(what, entry.uncompressedSize, entry.compressedSize, at, CODES.bomb);
  }
  return ledger.files();
}

function checkKind(entry: Entry, number: number, at: string): void {
  const refuse = (code: string, found: string, expected: string, fix: string) =>
    new Fault(code, { at, found: `entry ${number}, ${found}`, expected, fix });
  if (((entry.externalFileAttributes >>> 16) & UNIX_TYPE_MASK) === UNIX_SYMLINK) {
    throw refuse('ZIP_SYMLINK', 'a symbolic link', 'files only', 'Pack the files themselves instead of links');
  }
  if (entry.isEncrypted()) {
    throw refuse('ZIP_ENCRYPTED', 'which is encrypted', 'no password', 'Pack the files without a password');
  }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    const found = `with compression method ${entry.compressionMethod}`;
    throw refuse('ZIP_METHOD', found, 'stored or deflated entries', 'Pack the files with plain zip');
  }
}

async function* withNames(archive: ZipFile): AsyncIterable<{ name: string; entry: Entry }> {
  for await (const entry of archive.eachEntry()) {
    // Backslashes become slashes: old .NET versions write them.
    const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
    yield { name, entry };
  }
}

/** Inflates one entry into memory. The declared size is the bound: the reader ends at the first byte beyond it. */
async function readEntry(archive: ZipFile, { entry, number }: NumberedEntry<Entry>, at: string): Promise<Uint8Array> {
  const damaged = (found: string) =>
    new Fault('ZIP_ENTRY_DAMAGED', {
      at,
      found: `entry ${number} with ${found}`,
      expected: 'an intact entry',
      fix: 'Get the archive again',
    });
  const bytes = Buffer.allocUnsafeSlow(entry.uncompressedSize);
  let length = 0;
  let crc = 0;
  try {
    for await (const chunk of await archive.openReadStreamPromise(entry)) {
      bytes.set(chunk, length);
      length += chunk.length;
      crc = crc32(chunk, crc);
    }
  } catch (error) {
    const known = accessFault(at, error);
    throw isFault(known) ? known : damaged('packed data that cannot be read');
  }
  if (length !== bytes.length) throw damaged(`${length} of ${bytes.length} bytes`);
  if (crc !== entry.crc32) throw damaged('another CRC-32 than the directory says');
  return bytes;
}

/**
 * What does not begin like an archive never was one; what has no directory, which is its end, was cut off. Gives the
 * archive's size.
 */
async function checkSignature(file: string, at: string): Promise<number> {
  const start = Buffer.alloc(4);
  const handle = await open(file).catch((error: unknown) => {
    throw accessFault(file, error);
  });
  try {
    await handle.read(start, 0, 4, 0);
    // `PK\5\6` begins an archive without entries.
    if (['PK\u0003\u0004', 'PK\u0005\u0006'].includes(start.toString('latin1'))) return (await handle.stat()).size;
  } catch (error) {
    throw accessFault(file, error);
  } finally {
    await handle.close();
  }
  throw new Fault('ZIP_INVALID', {
    at,
    found: 'a file that begins like no archive',
    expected: 'a .zip, .tar or .tar.gz archive, or a folder',
    fix: 'Check the path; pack the data as .zip or .tar.gz',
  });
}

/** Without a cause: the reader's message stands in the fault, as far as it says anything. */
function directoryFault(at: string, error: unknown): Fault {
  const reason = error instanceof Error ? error.message : String(error);
  if (reason.includes('encryption')) {
    const fix = 'Pack the files without a password';
    return new Fault('ZIP_ENCRYPTED', { at, found: 'an encrypted archive', expected: 'no password', fix });
  }
  const found = reason.startsWith('End of central directory')
    ? 'an archive without its directory, which stands at its end'
    : 'an archive with a damaged directory';
  const fix = 'Get the archive again: it is cut off or damaged';
  return new Fault('ZIP_TRUNCATED', { at, found, expected: 'a complete .zip archive', fix });
}
