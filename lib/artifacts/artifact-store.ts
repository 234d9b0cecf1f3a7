import { createHash } from 'node:crypto';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { Fault } from '../fault.ts';
import { canonicalJson } from './canonical-json.ts';
import type { BlobCache } from './disk-cache.ts';
import { casKey, memoKey, sha256Hex, sha256OfLarge } from './keys.ts';
import { type MemoOptions, type MemoOutcome, memoise, type Schema } from './memo.ts';
import { readBytes, readParts } from './parts.ts';
import { type Pointer, readPointer, writePointer } from './pointer.ts';
import { type ByteSource, type ObjectHead, type ObjectStore, PART_BYTES, PreconditionFailed } from './store.ts';

export interface PutSourceOptions {
  /** SHA-256 (hex) of the source, where the caller has verified it. */
  sha256?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Content-addressed, immutable artifacts over an object store, and the memo of stage results.
 * Everything here may be repeated, raced and interrupted without harm.
 */
export class ArtifactStore {
  readonly #store: ObjectStore;
  /** The memo calls under way in this process, by key: a second caller waits and then finds the manifest. */
  readonly #running = new Map<string, Promise<unknown>>();

  readonly #cache: BlobCache | null;

  /** @param cache where copies of what is read and written are kept: what it does not have comes from the store */
  constructor(store: ObjectStore, cache: BlobCache | null = null) {
    this.#store = store;
    this.#cache = cache;
  }

  /** Where copies of what is read lie on this machine; null where none are kept. */
  get copies(): BlobCache | null {
    return this.#cache;
  }

  /** Stores bytes under their own hash. Storing the same bytes again costs one refused request and changes nothing. */
  async put(kind: string, bytes: Uint8Array, contentType = 'application/octet-stream'): Promise<ArtifactRef> {
    const sha256 = sha256Hex(bytes);
    const ref: ArtifactRef = { kind, key: casKey(sha256), sha256, bytes: bytes.length };
    try {
      await this.#store.put(ref.key, bytes, { ifNoneMatch: '*', contentType, sha256 });
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      await this.#settleExisting(ref, bytes, contentType);
    }
    await this.#cache?.put(ref, bytes);
    return ref;
  }

  /**
   * Stores what may be too large for the memory. It is read twice, first for its hash, unless the caller knows that
   * (`sha256`). What is there already is not sent again.
   * @throws Fault ARTIFACT_CHANGED when the source changes in between
   */
  async putSource(kind: string, source: ByteSource, options: PutSourceOptions = {}): Promise<ArtifactRef> {
    const { signal, onProgress } = options;
    if (source.bytes <= PART_BYTES) return this.put(kind, await readBytes(source, 0, source.bytes));
    const sha256 = options.sha256 ?? (await digestOf(source, signal));
    const ref: ArtifactRef = { kind, key: casKey(sha256), sha256, bytes: source.bytes };
    if (await this.has(ref)) return ref;
    const onBytes = onProgress && ((done: number) => onProgress(done, source.bytes));
    // Without a condition: the key names its content, so whoever else writes it writes the same.
    await this.#store.putLarge(ref.key, source, { sha256, signal, onProgress: onBytes });
    return ref;
  }

  /**
   * The key names its content, so an object that is already there is ours (or our own, with the acknowledgement lost).
   * One with another size or digest was damaged on its way in: it is replaced.
   */
  async #settleExisting(ref: ArtifactRef, bytes: Uint8Array, contentType: string): Promise<void> {
    const head = await this.#store.head(ref.key);
    if (head && isOf(head, ref)) return;
    const condition = head ? { ifMatch: head.etag } : { ifNoneMatch: '*' as const };
    await this.#store.put(ref.key, bytes, { ...condition, contentType, sha256: ref.sha256 });
  }

  /**
   * The bytes, verified by size and SHA-256. A first mismatch is read once more: it may have happened on the way.
   * @throws Fault ARTIFACT_MISSING, ARTIFACT_CORRUPT
   */
  async get(ref: ArtifactRef): Promise<Uint8Array> {
    const kept = await this.#cache?.get(ref);
    if (kept) return kept;
    let found = '';
    for (let attempt = 0; attempt < 2; attempt++) {
      const object = await this.#store.get(ref.key);
      if (!object) throw missing(ref);
      const sha256 = object.sha256 ?? (await sha256OfLarge(object.bytes));
      if (sha256 === ref.sha256 && object.bytes.length === ref.bytes) {
        await this.#cache?.put(ref, object.bytes);
        return object.bytes;
      }
      found = `${object.bytes.length} bytes with SHA-256 ${sha256.slice(0, 12)}…`;
    }
    throw corrupt(ref, found);
  }

  /**
   * The bytes in order, part by part, for what may be too large for the memory. They are verified at the end, so whoever
   * takes them must not use them for good before.
   * @throws Fault ARTIFACT_MISSING, ARTIFACT_CORRUPT
   */
  async *stream(ref: ArtifactRef, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    for (let from = 0; from < ref.bytes; from += PART_BYTES) {
      signal?.throwIfAborted();
      const to = Math.min(from + PART_BYTES, ref.bytes);
      const object = await this.#store.get(ref.key, { from, to }).catch((error: unknown) => {
        throw error instanceof RangeError ? corrupt(ref, 'fewer bytes') : error;
      });
      if (!object) throw missing(ref);
      hash.update(object.bytes);
      yield object.bytes;
    }
    const sha256 = hash.digest('hex');
    if (sha256 !== ref.sha256) throw corrupt(ref, `bytes with SHA-256 ${sha256.slice(0, 12)}…`);
  }

  /** Stores a value as canonical JSON: the same value gives the same bytes and the same reference. */
  async putJson(kind: string, value: unknown): Promise<ArtifactRef> {
    return this.put(kind, Buffer.from(canonicalJson(value)), 'application/json');
  }

  /** @throws Fault ARTIFACT_FORMAT when the bytes are not what the schema expects; and as `get`. */
  async getJson<T>(ref: ArtifactRef, schema: Schema<T>): Promise<T> {
    const bytes = await this.get(ref);
    try {
      return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    } catch (cause) {
      const details = {
        at: ref.key,
        found: `JSON of another form than ${ref.kind}`,
        expected: `${ref.kind} as this version writes it`,
        fix: 'Use the samflow version that wrote it, or run the pipeline again',
      };
      throw new Fault('ARTIFACT_FORMAT', details, { cause });
    }
  }

  /**
   * True when the object exists with its size and, where the server keeps one, its digest. It is not read: its bytes are
   * verified by whoever uses them.
   */
  async has(ref: ArtifactRef): Promise<boolean> {
    const head = await this.#store.head(ref.key);
    return head !== null && isOf(head, ref);
  }

  /** See `memoise`. Calls with one identity in one process run one after the other, so the work is done once. */
  async memo<T>(options: MemoOptions<T>): Promise<MemoOutcome<T>> {
    const key = memoKey(options);
    for (let other = this.#running.get(key); other; other = this.#running.get(key)) {
      // Its failure (a cancellation, say) is not ours: after it we try for ourselves.
      await other.catch(() => undefined);
    }
    const own = memoise(this.#store, (ref) => this.has(ref), options);
    this.#running.set(key, own);
    try {
      return await own;
    } finally {
      this.#running.delete(key);
    }
  }

  readPointer<T>(key: string, schema: Schema<T>): Promise<Pointer<T> | null> {
    return readPointer(this.#store, key, schema);
  }

  writePointer(key: string, value: unknown, etag: string | null): Promise<{ etag: string }> {
    return writePointer(this.#store, key, value, etag);
  }
}

/** A server that keeps no digest of the whole object (one that was uploaded in parts, say) is asked for the size alone. */
const isOf = (head: ObjectHead, { bytes, sha256 }: ArtifactRef): boolean =>
  head.bytes === bytes && (head.sha256 ?? sha256) === sha256;

async function digestOf(source: ByteSource, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const memory = new Uint8Array(PART_BYTES);
  for await (const part of readParts(source, signal, () => memory)) hash.update(part);
  return hash.digest('hex');
}

function missing(ref: ArtifactRef): Fault {
  return new Fault('ARTIFACT_MISSING', {
    at: ref.key,
    found: 'no such object',
    expected: `${ref.kind} of ${ref.bytes} bytes`,
    fix: 'Run the pipeline again: it makes what is missing',
  });
}

function corrupt(ref: ArtifactRef, found: string): Fault {
  return new Fault('ARTIFACT_CORRUPT', {
    at: ref.key,
    found,
    expected: `${ref.kind} of ${ref.bytes} bytes with SHA-256 ${ref.sha256.slice(0, 12)}…`,
    fix: 'Delete this object and run the pipeline again: it makes what is missing',
  });
}
