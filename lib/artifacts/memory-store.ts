import { createHash } from 'node:crypto';
import { changedWhileStored, readParts } from './parts.ts';
import {
  type ByteRange,
  type ByteSource,
  checkRange,
  type ListedObject,
  type ObjectHead,
  type ObjectStore,
  PART_BYTES,
  PreconditionFailed,
  type PutLargeOptions,
  type PutOptions,
  type ReadObject,
} from './store.ts';

/** Objects in a map, for tests. It counts the calls, so that a test can say what was written and read. */
export class MemoryStore implements ObjectStore {
  readonly counts = { put: 0, get: 0, head: 0, list: 0 };
  /** The server's clock. */
  now = (): Date => new Date();
  readonly #objects = new Map<string, { bytes: Uint8Array; etag: string; sha256: string; modified: Date }>();

  get puts(): number {
    return this.counts.put;
  }

  get gets(): number {
    return this.counts.get;
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ etag: string }> {
    this.counts.put++;
    const present = this.#objects.get(key);
    if (options.ifNoneMatch && present) throw new PreconditionFailed(key);
    if (options.ifMatch !== undefined && present?.etag !== options.ifMatch) throw new PreconditionFailed(key);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (options.sha256 !== undefined && options.sha256 !== sha256) throw new Error(`${key}: wrong SHA-256`);
    const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
    this.#objects.set(key, { bytes: Uint8Array.from(bytes), etag, sha256, modified: this.now() });
    return { etag };
  }

  async putLarge(key: string, source: ByteSource, options: PutLargeOptions): Promise<{ etag: string }> {
    const parts: Uint8Array[] = [];
    const fresh = (): Uint8Array => new Uint8Array(PART_BYTES);
    for await (const part of readParts(source, options.signal, fresh)) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (createHash('sha256').update(bytes).digest('hex') !== options.sha256) throw changedWhileStored(key);
    const written = await this.put(key, bytes);
    options.onProgress?.(bytes.length);
    return written;
  }

  async get(key: string, range?: ByteRange): Promise<ReadObject | null> {
    this.counts.get++;
    if (range) checkRange(key, range);
    const object = this.#objects.get(key);
    if (!object) return null;
    if (range) checkRange(key, range, object.bytes.length);
    return { bytes: object.bytes.slice(range?.from, range?.to), etag: object.etag };
  }

  async head(key: string): Promise<ObjectHead | null> {
    this.counts.head++;
    const object = this.#objects.get(key);
    return object ? { bytes: object.bytes.length, etag: object.etag, sha256: object.sha256 } : null;
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    this.counts.list++;
    for (const key of [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort()) {
      const object = this.#objects.get(key);
      if (object) yield { key, bytes: object.bytes.length, etag: object.etag, modified: object.modified };
    }
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.delete(key);
  }

  /** What an operator or a lifecycle rule does behind our back. True where there was such an object. */
  delete(key: string): boolean {
    return this.#objects.delete(key);
  }
}
