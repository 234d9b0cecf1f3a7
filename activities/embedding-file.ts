import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { withWorkFolder } from '../lib/runtime/work-folder.ts';

/** Embeddings of a scan, float16 bits of one size each, in the order of its rows. */
export interface EmbeddingFile {
  append(embedding: Uint16Array): Promise<void>;
  read(row: number): Promise<Uint16Array>;
}

/** Keeps embeddings on disk for as long as `use` takes: those of a scan's thousand slices are 2 GB. */
export function withEmbeddingFile<T>(size: number, use: (file: EmbeddingFile) => Promise<T>): Promise<T> {
  return withWorkFolder(async (folder) => {
    const handle = await open(join(folder, 'embeddings'), 'w+');
    try {
      return await use({
        // Not `write`: it may end short.
        append: ({ buffer, byteOffset, byteLength }) =>
          handle.writeFile(new Uint8Array(buffer, byteOffset, byteLength)),
        async read(row) {
          const bytes = new Uint8Array(2 * size);
          for (let at = 0; at < bytes.length; ) {
            const { bytesRead } = await handle.read(bytes, at, bytes.length - at, row * bytes.length + at);
            if (bytesRead === 0) throw new RangeError(`no embedding of row ${row}`);
            at += bytesRead;
          }
          return new Uint16Array(bytes.buffer);
        },
      });
    } finally {
      await handle.close();
    }
  });
}
