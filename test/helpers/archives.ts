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

export interface TarEntry {
  path: string;
  content?: string | Uint8Array;
  /** Type flag; `0` is a file, `1` and `2` links, `5` a folder. */
  type?: string;
  link?: string;
  /** Declared instead of the content's size. */
  bytes?: number;
}

/** A tar archive in the ustar format, byte by byte, so that a test can say what no packer would. */
export function tarOf(entries: readonly TarEntry[], endBlocks = 2): Buffer {
  const blocks = entries.flatMap(({ path, content = '', type = '0', link = '', bytes }) => {
    const body = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write('0000644\x000000000\x000000000\0', 100, 'latin1');
    header.write(`${(bytes ?? body.length).toString(8).padStart(11, '0')}\u000000000000000\0`, 124, 'latin1');
    header.write(type, 156, 'latin1');
    header.write(link, 157, 100);
    header.write('ustar\u000000', 257, 'latin1');
    return [sealed(header), body, Buffer.alloc(-body.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(512 * endBlocks)]);
}

/** A header with its checksum. */
export function sealed(header: Buffer): Buffer {
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
