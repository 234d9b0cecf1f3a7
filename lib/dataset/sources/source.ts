import type { Reach } from '../../http/reach.ts';
import type { Bucket, BucketPlace, BucketSource } from './bucket.ts';
import type { KaggleSource } from './kaggle.ts';
import type { KaggleAccess } from './kaggle-credentials.ts';

/** Where a data set's files come from. Shaped like `SourceConfig` of the run configuration. */
export type Source =
  | ({ kind: 'local' } & LocalSource)
  | { kind: 'http'; url: string; sha256?: string | undefined }
  | ({ kind: 'kaggle' } & KaggleSource)
  | ({ kind: 's3' } & BucketSource)
  | { kind: 'phantom'; patients: number; seed: number };

export interface LocalSource {
  /** A folder, or an archive. */
  readonly path: string;
  /** Of an archive. */
  readonly sha256?: string | undefined;
}

/** What the io worker may use to get at sources; other machines have none. */
export interface SourceAccess {
  readonly kaggle: KaggleAccess;
  /** Any bucket on any server; which account asks is the worker's business. */
  openBucket(place: BucketPlace): Bucket;
  /** Addresses that a configuration may name; default: all. */
  readonly reach?: Reach | undefined;
}

export interface SourceOptions {
  /** Downloads and generated archives are kept here and used again. */
  cacheDir: string;
  signal?: AbortSignal | undefined;
  /** Needed for what asks who one is. */
  access?: SourceAccess | undefined;
  /** Called while an archive is downloaded; `total` is null where the server does not say. */
  onProgress?: ((doneBytes: number, totalBytes: number | null) => void) | undefined;
}

/** The files of an opened source. */
export interface SourceListing {
  /** SHA-256 (hex) that changes when the files may have changed; what `fingerprintSource` gives for the same state. */
  fingerprint: string;
  /** In the order of their paths. Hidden files and those of macOS archives are left out. */
  files: SourceFile[];
  /** @throws Fault SOURCE_FILE_MISSING, and what the kind of source may meet (ZIP_…). */
  read(path: string): Promise<Uint8Array>;
  /** What the keeper of the data says of their use, beside what stands in the files. */
  terms?(): Promise<string | null>;
  close(): Promise<void>;
}

export interface SourceFile {
  /** Relative to the source, `/` between the parts, without `.` and `..`. */
  path: string;
  bytes: number;
}

/** More than any data set has: a `path` that names the root of a disk ends here and not after an hour. */
export const MAX_FILES = 500_000;
/** Files are read into memory, and a buffer of Node 20 holds no more. */
export const MAX_FILE_BYTES = 4 * 2 ** 30 - 1;

/** `.DS_Store`, `._scan.nii`, `__MACOSX/…`: never data. */
export function isHidden(path: string): boolean {
  return path.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');
}

/** By UTF-16 code units: the same order on every machine, whatever its locale. */
export function byPath(a: SourceFile, b: SourceFile): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
