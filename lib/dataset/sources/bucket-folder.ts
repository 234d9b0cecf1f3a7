import { posix } from 'node:path';
import { Fault } from '../../fault.ts';
import type { ArchiveObject, Bucket, BucketSource } from './bucket.ts';
import { bucketFault, objectChanged } from './bucket-faults.ts';
import { digestOf } from './digest.ts';
import { fileTooLarge, missingFile } from './faults.ts';
import { byPath, isHidden, MAX_FILE_BYTES, MAX_FILES, type SourceListing } from './source.ts';

/** The objects below a prefix, read where they are. @throws Fault SOURCE_MISSING, SOURCE_DENIED, SOURCE_UNREACHABLE, SOURCE_TOO_LARGE */
export async function openBucketFolder(
  bucket: Bucket,
  source: BucketSource,
  signal?: AbortSignal,
): Promise<SourceListing> {
  const prefix = prefixOf(source.key);
  const files = await listFolder(bucket, source, signal);
  const states = new Map(files.map(({ path, ...state }) => [path, state]));
  return {
    fingerprint: fingerprintFolder(files),
    files: files.map(({ path, bytes }) => ({ path, bytes })),
    async read(path) {
      const state = states.get(path);
      if (!state) throw missingFile();
      const at = posix.basename(path);
      if (state.bytes > MAX_FILE_BYTES) throw fileTooLarge(at, state.bytes, MAX_FILE_BYTES);
      const object = await bucket.get(prefix + path).catch((error: unknown) => {
        throw bucketFault(at, error);
      });
      if (!object) throw missingFile();
      if (object.etag !== state.etag) throw objectChanged(at);
      return object.bytes;
    },
    async close() {},
  };
}

export async function fingerprintBucketFolder(
  bucket: Bucket,
  source: BucketSource,
  signal?: AbortSignal,
): Promise<string> {
  return fingerprintFolder(await listFolder(bucket, source, signal));
}

interface ListedObject extends ArchiveObject {
  readonly path: string;
}

const fingerprintFolder = (files: readonly ListedObject[]) =>
  digestOf(['s3', ...files.flatMap(({ path, bytes, etag }) => [path, bytes, etag])]);

const prefixOf = (key: string): string => (key === '' || key.endsWith('/') ? key : `${key}/`);

async function listFolder(bucket: Bucket, source: BucketSource, signal?: AbortSignal): Promise<ListedObject[]> {
  const prefix = prefixOf(source.key);
  const files: ListedObject[] = [];
  try {
    for await (const { key, bytes, etag } of bucket.list(prefix)) {
      signal?.throwIfAborted();
      const path = key.slice(prefix.length);
      // Consoles of S3 make an empty object for a folder.
      if (path !== '' && !path.endsWith('/') && !isHidden(path)) files.push({ path, bytes, etag });
      if (files.length > MAX_FILES) throw tooMany(source.bucket);
    }
  } catch (error) {
    throw bucketFault(source.bucket, error);
  }
  if (files.length === 0) throw nothingThere(source.bucket);
  return files.sort(byPath);
}

function nothingThere(bucket: string): Fault {
  const fix = 'Check `source.bucket` and `source.key`: a folder of the bucket, or an archive in it';
  return new Fault('SOURCE_MISSING', { at: bucket, found: 'no object under the key', expected: 'a data set', fix });
}

function tooMany(bucket: string): Fault {
  const fix = 'Let `source.key` name the folder that holds the scans';
  const [found, expected] = [`more than ${MAX_FILES} objects`, 'the folder of one data set'];
  return new Fault('SOURCE_TOO_LARGE', { at: bucket, found, expected, fix });
}
