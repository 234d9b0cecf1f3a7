import { stat } from 'node:fs/promises';
import { accessFault, fingerprintFolder, openFolder } from './folder.ts';
import { download, fingerprintHttp } from './http.ts';
import { fileNameOf } from './http-request.ts';
import { fingerprintPhantom, phantomArchive } from './phantom.ts';
import type { Source, SourceListing, SourceOptions } from './source.ts';
import { fingerprintZip, openZip } from './zip.ts';

/**
 * Opens a source for reading: lists its files after all checks, fetching or making the archive first where needed.
 * Must be closed.
 * @throws Fault SOURCE_…, ZIP_…, DISK_FULL
 */
export async function openSource(source: Source, options: SourceOptions): Promise<SourceListing> {
  options.signal?.throwIfAborted();
  switch (source.kind) {
    case 'local':
      return (await isFolder(source.path)) ? openFolder(source.path) : openZip(source.path);
    case 'http': {
      const { file, fingerprint } = await download(source, options);
      return openZip(file, { fingerprint, at: fileNameOf(source.url) });
    }
    case 'phantom': {
      const { patients, seed } = source;
      const file = await phantomArchive(patients, seed, options.cacheDir);
      return openZip(file, { fingerprint: fingerprintPhantom(patients, seed), at: 'phantom.zip' });
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
      return (await isFolder(source.path)) ? fingerprintFolder(source.path) : fingerprintZip(source.path);
    case 'http':
      return fingerprintHttp(source, options);
    case 'phantom':
      return fingerprintPhantom(source.patients, source.seed);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw accessFault(path, error);
  }
}
