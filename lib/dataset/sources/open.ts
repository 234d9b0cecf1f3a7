import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Fault } from '../../fault.ts';
import { fingerprintArchive, openArchive } from './archive.ts';
import { fingerprintBucketSource, openBucketSource } from './bucket.ts';
import { checkDigest } from './cache.ts';
import { accessFault } from './faults.ts';
import { fingerprintFolder, openFolder } from './folder.ts';
import { httpArchive } from './http.ts';
import { kaggleArchive, kaggleTerms } from './kaggle.ts';
import { fingerprintPhantom, phantomArchive } from './phantom.ts';
import { downloadArchive, fingerprintRemote, type RemoteArchive, type RemoteOptions } from './remote-archive.ts';
import type { LocalSource, Source, SourceAccess, SourceListing, SourceOptions } from './source.ts';

/**
 * Opens a source for reading: lists its files after all checks, fetching or making the archive first where needed.
 * Must be closed.
 * @throws Fault SOURCE_…, ZIP_…, TAR_…, DISK_FULL
 */
export async function openSource(source: Source, options: SourceOptions): Promise<SourceListing> {
  options.signal?.throwIfAborted();
  switch (source.kind) {
    case 'local':
      return openLocal(source, options);
    case 'http':
      return openRemote(httpArchive(source), { ...options, reach: options.access?.reach });
    case 'kaggle': {
      const { kaggle } = accessIn(options);
      const archive = await kaggleArchive(source, kaggle);
      const listing = await openRemote(archive, options);
      return { ...listing, terms: () => kaggleTerms(source, archive, kaggle, options) };
    }
    case 's3':
      return openBucketSource(accessIn(options).openBucket(source), source, options);
    case 'phantom': {
      const { patients, seed } = source;
      const file = await phantomArchive(patients, seed, options.cacheDir);
      return openArchive(file, {
        ...options,
        fingerprint: fingerprintPhantom(patients, seed),
        at: 'phantom.zip',
      });
    }
  }
}

/**
 * What `openSource` would give as `fingerprint`, without fetching or reading the data: file names, sizes and times; ETag,
 * date and length; or the generator's parameters.
 */
export async function fingerprintSource(source: Source, options: SourceOptions): Promise<string> {
  options.signal?.throwIfAborted();
  switch (source.kind) {
    case 'local':
      return (await isFolder(source.path)) ? fingerprintFolder(source.path) : fingerprintArchive(source.path);
    case 'http':
      return fingerprintRemote(httpArchive(source), { ...options, reach: options.access?.reach });
    case 'kaggle':
      return fingerprintRemote(await kaggleArchive(source, accessIn(options).kaggle), options);
    case 's3':
      return fingerprintBucketSource(accessIn(options).openBucket(source), source, options);
    case 'phantom':
      return fingerprintPhantom(source.patients, source.seed);
  }
}

async function openLocal({ path, sha256 }: LocalSource, options: SourceOptions): Promise<SourceListing> {
  const at = basename(path);
  if (await isFolder(path)) {
    if (sha256 === undefined) return openFolder(path);
    const [found, fix] = ['a folder', 'Name an archive in `source.path`, or leave `source.sha256` out'];
    throw new Fault('SOURCE_DIGEST', { at, found, expected: 'an archive, which has a hash', fix });
  }
  if (sha256 !== undefined) {
    await checkDigest(path, at, sha256).catch((error: unknown) => {
      throw accessFault(path, error);
    });
  }
  return openArchive(path, options);
}

async function openRemote(archive: RemoteArchive, options: RemoteOptions): Promise<SourceListing> {
  const { file, fingerprint } = await downloadArchive(archive, options);
  return openArchive(file, { ...options, fingerprint, at: archive.at });
}

/** Read without a network and without an account. */
export const isOnThisMachine = ({ kind }: Source): boolean => kind === 'local' || kind === 'phantom';

function accessIn({ access }: SourceOptions): SourceAccess {
  if (!access) throw new RangeError('this source is read by the io worker');
  return access;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw accessFault(path, error);
  }
}
