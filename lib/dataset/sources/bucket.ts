import { join, posix } from 'node:path';
import { Fault } from '../../fault.ts';
import { openArchive } from './archive.ts';
import { fetchObject } from './bucket-archive.ts';
import { bucketFault } from './bucket-faults.ts';
import { fingerprintBucketFolder, openBucketFolder } from './bucket-folder.ts';
import { fetchIntoCache, isFile } from './cache.ts';
import { digestOf } from './digest.ts';
import type { SourceListing, SourceOptions } from './source.ts';

/** What is needed of a bucket; the stores of `lib/artifacts` have it. */
export interface Bucket {
  list(prefix: string): AsyncIterable<{ key: string; bytes: number; etag: string }>;
  head(key: string): Promise<{ bytes: number; etag: string } | null>;
  /** Bytes [from, to) of an object; null where there is none. Ends what was cut, under the same ETag. */
  get(key: string, range?: { from: number; to: number }): Promise<{ bytes: Uint8Array; etag: string } | null>;
}

export interface BucketPlace {
  readonly bucket: string;
  /** Address of the server; default: that of the worker's environment. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
}

export interface BucketSource extends BucketPlace {
  /** An archive, or the folder that holds the files; empty: the whole bucket. */
  readonly key: string;
  readonly sha256?: string | undefined;
}

/** An object as `head` finds it. */
export interface ArchiveObject {
  readonly bytes: number;
  readonly etag: string;
}

/**
 * A folder of a bucket, read where it is, or an archive in it, which is fetched into the cache. A download that was
 * interrupted goes on where it ended, as long as the object is the same.
 * @throws Fault SOURCE_DENIED, SOURCE_MISSING, SOURCE_UNREACHABLE, SOURCE_CHANGED, SOURCE_DIGEST, SOURCE_TOO_LARGE
 */
export async function openBucketSource(
  bucket: Bucket,
  source: BucketSource,
  options: SourceOptions,
): Promise<SourceListing> {
  const object = await findArchive(bucket, source);
  if (!object) return openBucketFolder(bucket, source, options.signal);
  const at = posix.basename(source.key);
  const fingerprint = fingerprintArchive(source, object);
  const file = join(options.cacheDir, 's3', fingerprint);
  if (!(await isFile(file))) {
    const fill = (part: string) => fetchObject(part, bucket, source, object, options);
    await fetchIntoCache(file, { at, state: stateOf(object).slice(0, 16), sha256: source.sha256, fill });
  }
  return openArchive(file, { ...options, fingerprint, at });
}

export async function fingerprintBucketSource(
  bucket: Bucket,
  source: BucketSource,
  { signal }: SourceOptions,
): Promise<string> {
  const object = await findArchive(bucket, source);
  return object ? fingerprintArchive(source, object) : fingerprintBucketFolder(bucket, source, signal);
}

/** What the key names: an object, or null where it is a folder. */
async function findArchive(bucket: Bucket, { key, bucket: name, sha256 }: BucketSource): Promise<ArchiveObject | null> {
  const mayBeObject = key !== '' && !key.endsWith('/');
  const object = mayBeObject
    ? await bucket.head(key).catch((error: unknown) => {
        throw bucketFault(name, error);
      })
    : null;
  if (object || sha256 === undefined) return object;
  const fix = 'Name the archive in `source.key`, or leave `source.sha256` out';
  throw new Fault('SOURCE_DIGEST', {
    at: name,
    found: 'no archive under the key',
    expected: 'one that has a hash',
    fix,
  });
}

const stateOf = ({ etag, bytes }: ArchiveObject): string => digestOf(['s3', etag, bytes]);

const fingerprintArchive = ({ sha256 }: BucketSource, object: ArchiveObject): string =>
  sha256 === undefined ? stateOf(object) : digestOf(['s3', sha256]);
