import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after } from 'node:test';
import { ZipFile } from 'yazl';

/** A folder for one test file, deleted at its end. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'samflow-test-'));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface ArchiveEntry {
  path: string;
  content: string | Uint8Array;
  compress?: boolean;
  /** Unix type and permissions. */
  mode?: number;
}

/** Writes a sound archive. */
export async function writeArchive(file: string, entries: readonly ArchiveEntry[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { path, content, compress = true, mode = 0o100644 } of entries) {
    zip.addBuffer(Buffer.from(content), path, { compress, mode, mtime: new Date(2000, 0, 1) });
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(file));
  return readFile(file);
}

/** Changes a written archive: `change` gets its bytes and the offset of each central directory entry. */
export async function damageArchive(file: string, change: (bytes: Buffer, directory: number[]) => void): Promise<void> {
  const bytes = await readFile(file);
  const directory: number[] = [];
  for (let at = bytes.indexOf('PK\u0001\u0002'); at >= 0; at = bytes.indexOf('PK\u0001\u0002', at + 1))
    directory.push(at);
  change(bytes, directory);
  await writeFile(file, bytes);
}
