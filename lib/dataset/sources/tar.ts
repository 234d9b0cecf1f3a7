import { type FileHandle, open } from 'node:fs/promises';
import { type NumberedEntry, openLedger } from './entries.ts';
import { accessFault, missingFile } from './faults.ts';
import { gunzipTar } from './gunzip-tar.ts';
import { readBytesAt } from './read-bytes.ts';
import { byPath, type SourceListing } from './source.ts';
import { refuseLink, refuseSpecial, TAR_CODES, tarDamaged } from './tar-faults.ts';
import { TarDamage, type TarEntry, tarEntries } from './tar-headers.ts';

export interface TarOptions {
  /** Names the archive in errors. */
  readonly at: string;
  readonly fingerprint: string;
  /** A .tar.gz is unpacked below it, to one .tar: only that can be read at any place. */
  readonly cacheDir: string;
  readonly gzipped: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A .tar or .tar.gz file on this machine. Its entries are read in place: none is unpacked to disk.
 * @throws Fault SOURCE_MISSING, SOURCE_DENIED, TAR_…
 */
export async function openTar(file: string, options: TarOptions): Promise<SourceListing> {
  const { at, fingerprint } = options;
  const plain = options.gzipped ? await gunzipTar(file, options) : file;
  const handle = await open(plain).catch((error: unknown) => {
    throw accessFault(file, error);
  });
  try {
    const entries = await readHeaders(handle, options);
    return {
      fingerprint,
      files: [...entries].map(([path, { entry }]) => ({ path, bytes: entry.bytes })).sort(byPath),
      async read(path) {
        const found = entries.get(path);
        if (!found) throw missingFile();
        return readEntry(handle, found, at);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error instanceof TarDamage ? tarDamaged(at, error.message) : accessFault(file, error);
  }
}

async function readHeaders(
  handle: FileHandle,
  { at, signal }: TarOptions,
): Promise<Map<string, NumberedEntry<TarEntry>>> {
  // What it unpacks to is its own size, and was bounded when it was unpacked.
  const ledger = openLedger<TarEntry>(at, TAR_CODES, null);
  for await (const entry of tarEntries(handle)) {
    signal?.throwIfAborted();
    const name = entry.kind === 'folder' ? `${entry.name}/` : entry.name;
    const { number } = ledger.add(name, entry.bytes, entry);
    if (entry.kind === 'link') throw refuseLink(at, number);
    if (entry.kind === 'other') throw refuseSpecial(at, number);
  }
  return ledger.files();
}

async function readEntry(handle: FileHandle, { entry, number }: NumberedEntry<TarEntry>, at: string) {
  const bytes = await readBytesAt(handle, entry.offset, entry.bytes).catch((error: unknown) => {
    throw accessFault(at, error);
  });
  if (bytes.length < entry.bytes) throw tarDamaged(at, `${bytes.length} of ${entry.bytes} bytes of entry ${number}`);
  return bytes;
}
