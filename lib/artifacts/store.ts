/**
 * The port to object storage: what samflow needs of S3 and no more. Two implementations, one contract suite
 * (test/lib/artifacts/object-store.ts). Anything that S3 offers beyond this is not to be relied on.
 */
export interface ObjectStore {
  /**
   * Writes the whole object or nothing.
   * @throws PreconditionFailed when `ifNoneMatch` or `ifMatch` does not hold. Beware: where an acknowledgement was lost
   * and the request repeated, the writer meets its own object here.
   */
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<{ etag: string }>;
  /**
   * The same for what is too large for the memory: read once, in order, in parts of `PART_BYTES`. Nobody sees the object
   * before its last part is there.
   * @throws Fault ARTIFACT_CHANGED where the bytes are not those of `sha256`
   */
  putLarge(key: string, source: ByteSource, options: PutLargeOptions): Promise<{ etag: string }>;
  /**
   * The object's bytes, or those of `range`; null when there is no such object.
   * @throws RangeError when the range is empty or starts past the end.
   */
  get(key: string, range?: ByteRange): Promise<ReadObject | null>;
  head(key: string): Promise<ObjectHead | null>;
  /** All objects whose key begins with `prefix`, in the order of their keys. */
  list(prefix: string): AsyncIterable<ListedObject>;
  /** Deletes objects, a thousand at a time; those that are not there count as deleted. Stops at the first that stays. */
  deleteMany(keys: readonly string[]): Promise<void>;
  /** Whether deleted objects stay as old versions; null where the server does not say. Absent where there are none. */
  keepsVersions?(): Promise<boolean | null>;
}

export interface ReadObject {
  bytes: Uint8Array;
  etag: string;
  /** SHA-256 (hex) of the bytes as they came; of whole objects only. */
  sha256?: string;
}

export interface ListedObject {
  key: string;
  bytes: number;
  etag: string;
  /** When it was written, by the server's clock. */
  modified: Date;
}

export interface PutOptions {
  /** `*`: write only if the key does not exist yet. */
  ifNoneMatch?: '*';
  /** Write only if the object's present ETag is this one. */
  ifMatch?: string;
  contentType?: string;
  /** SHA-256 of the bytes (hex), where the caller knows it; the store has the server check it. */
  sha256?: string;
}

export interface PutLargeOptions {
  /** SHA-256 of all bytes (hex). */
  sha256: string;
  signal?: AbortSignal | undefined;
  /** Called with the number of bytes that are stored. */
  onProgress?: ((doneBytes: number) => void) | undefined;
}

/** Bytes that are read piece by piece: a file on disk, an object in a bucket, several of them end to end. */
export interface ByteSource {
  readonly bytes: number;
  /**
   * Fills `target` with the bytes from this one on. Into memory that is used again: fresh parts of this size, one after
   * another, are not collected before there are gigabytes of them.
   */
  read(target: Uint8Array, from: number): Promise<void>;
}

/** Large objects are read and written in parts of this size. S3 allows 10,000 parts of at least 5 MiB. */
export const PART_BYTES = 32 * 2 ** 20;

/** Bytes [from, to); a `to` past the end means the end. */
export interface ByteRange {
  from: number;
  to: number;
}

export interface ObjectHead {
  bytes: number;
  etag: string;
  /** SHA-256 (hex) as checked by the server when the object was written; absent where the server keeps none. */
  sha256?: string;
}

/** A conditional write found another state than it asked for. Not a fault: the caller decides what it means. */
export class PreconditionFailed extends Error {
  override readonly name = 'PreconditionFailed';
  readonly key: string;

  constructor(key: string, options?: { cause?: unknown }) {
    super(`${key}: the object exists already, or was changed by another writer`, options);
    this.key = key;
  }
}

export function checkRange(key: string, { from, to }: ByteRange, size = Number.POSITIVE_INFINITY): void {
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && to > from && from < size)) {
    throw new RangeError(`${key}: bytes [${from}, ${to}) are empty or outside the object`);
  }
}
