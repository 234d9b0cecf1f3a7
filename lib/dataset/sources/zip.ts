import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from 'yauzl';
import { Fault, isFault } from '../../fault.ts';
import { crc32 } from './crc32.ts';
import { digestOf } from './digest.ts';
import { accessFault, missingFile } from './folder.ts';
import { byPath, type SourceListing } from './source.ts';
import { checkEntries } from './zip-entries.ts';

export interface ZipOptions {
  /** Names the archive in errors; default: the file's base name. */
  at?: string;
  /** Where the archive is a copy of something that has a fingerprint of its own. */
  fingerprint?: string;
}

/**
 * A .zip file on this machine, read in place: nothing is unpacked to disk.
 * @throws Fault SOURCE_MISSING, SOURCE_DENIED, ZIP_INVALID, ZIP_TRUNCATED, and those of `checkEntries`
 */
export async function openZip(file: string, options: ZipOptions = {}): Promise<SourceListing> {
  const at = options.at ?? basename(file);
  const fingerprint = options.fingerprint ?? (await fingerprintZip(file));
  await checkSignature(file, at);
  let zip: ZipFile | undefined;
  try {
    // Names stay bytes here: yauzl would refuse bad ones itself, but with a message where we want a code.
    const archive = await openPromise(file, { autoClose: false, decodeStrings: false });
    zip = archive;
    const entries = await checkEntries(withNames(archive), at);
    return {
      fingerprint,
      files: [...entries].map(([path, { uncompressedSize }]) => ({ path, bytes: uncompressedSize })).sort(byPath),
      async read(path) {
        const entry = entries.get(path);
        if (!entry) throw missingFile(path);
        return readEntry(archive, entry, at, path);
      },
      async close() {
        archive.close();
      },
    };
  } catch (error) {
    zip?.close();
    throw isFault(error) ? error : directoryFault(at, error);
  }
}

/** Name, size and time: what is cheap to know of a file that may have many gigabytes. */
export async function fingerprintZip(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file).catch((error: unknown) => {
    throw accessFault(file, error);
  });
  return digestOf(['zip', basename(file), size, Math.trunc(mtimeMs)]);
}

async function* withNames(archive: ZipFile): AsyncIterable<{ name: string; entry: Entry }> {
  for await (const entry of archive.eachEntry()) {
    // Backslashes become slashes: old .NET versions write them.
    const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
    yield { name, entry };
  }
}

/** Inflates one entry into memory. The declared size is the bound: the reader ends at the first byte beyond it. */
async function readEntry(archive: ZipFile, entry: Entry, at: string, path: string): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(entry.uncompressedSize);
  let length = 0;
  let crc = 0;
  try {
    for await (const chunk of await archive.openReadStreamPromise(entry)) {
      bytes.set(chunk, length);
      length += chunk.length;
      crc = crc32(chunk, crc);
    }
  } catch (cause) {
    throw entryFault(at, path, 'packed data that cannot be read', cause);
  }
  if (length !== bytes.length) throw entryFault(at, path, `${length} of ${bytes.length} bytes`);
  if (crc !== entry.crc32) throw entryFault(at, path, 'data with another CRC-32 than its directory says');
  return bytes;
}

/** What does not begin like an archive never was one; what has no directory, which is its end, was cut off. */
async function checkSignature(file: string, at: string): Promise<void> {
  const start = Buffer.alloc(4);
  try {
    const handle = await open(file);
    await handle.read(start, 0, 4, 0).finally(() => handle.close());
  } catch (error) {
    throw accessFault(file, error);
  }
  // `PK\5\6` begins an archive without entries.
  if (['PK\u0003\u0004', 'PK\u0005\u0006'].includes(start.toString('latin1'))) return;
  throw new Fault('ZIP_INVALID', {
    at,
    found: 'a file that does not begin like a zip archive',
    expected: 'a .zip archive, or a folder',
    fix: 'Check the path; pack .tar, .gz and .7z archives as .zip first',
  });
}

function directoryFault(at: string, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (reason.includes('encryption')) {
    const fix = 'Pack the files without a password';
    return new Fault('ZIP_ENCRYPTED', { at, found: 'an encrypted archive', expected: 'no password', fix }, { cause });
  }
  const found = reason.startsWith('End of central directory')
    ? 'an archive without its directory, which stands at its end'
    : `an archive with a damaged directory (${reason})`;
  return new Fault(
    'ZIP_TRUNCATED',
    { at, found, expected: 'a complete .zip archive', fix: 'Get the archive again: it is cut off or damaged' },
    { cause },
  );
}

function entryFault(at: string, path: string, found: string, cause?: unknown): Fault {
  const details = { at: `${at}: ${basename(path)}`, found, expected: 'an intact entry', fix: 'Get the archive again' };
  return new Fault('ZIP_ENTRY_DAMAGED', details, { cause });
}
