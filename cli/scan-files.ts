import { access, constants, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isSeriesFile } from '../lib/dataset/patterns.ts';
import { Fault } from '../lib/fault.ts';

/** A scan on this machine: one file, or the files of a DICOM folder. */
export interface Scan {
  /** As the user wrote it. */
  readonly path: string;
  readonly files: readonly string[];
}

/** @throws Fault SCAN_MISSING */
export async function findScan(path: string): Promise<Scan> {
  const info = await stat(path).catch(() => null);
  if (info?.isFile()) return { path, files: [resolve(path)] };
  const names = info?.isDirectory() ? (await readdir(path)).filter(isSeriesFile).sort() : [];
  if (names.length > 0) return { path, files: names.map((name) => resolve(join(path, name))) };
  const found = info ? 'an empty folder' : 'nothing at this path';
  const expected = 'a NIfTI file or a DICOM folder';
  throw new Fault('SCAN_MISSING', { at: basename(path), found, expected, fix: 'Correct the path' });
}

/** Told before servers are started for them. @throws what the file system says of a file that may not be read */
export async function requireReadable(scans: readonly Scan[]): Promise<void> {
  for (const file of scans.flatMap(({ files }) => files)) await access(file, constants.R_OK);
}
