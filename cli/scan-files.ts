import { access, constants, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isSeriesFile } from '../lib/dataset/patterns.ts';
import { Fault } from '../lib/fault.ts';
import { readVolumeFile } from '../lib/volume/read-file.ts';

/** A scan on this machine: one file, or the files of a DICOM folder. */
export interface Scan {
  /** As the user wrote it. */
  readonly path: string;
  readonly folder: boolean;
  /** In the order of their names. */
  readonly files: readonly string[];
}

/** @throws Fault SCAN_MISSING */
export async function findScan(path: string): Promise<Scan> {
  const scan = await listScan(path);
  if (scan.files.length === 0) throw missing(path, 'a folder without files');
  return scan;
}

/** The same of any folder: that of a data set may hold nothing but folders. @throws Fault SCAN_MISSING */
export async function listScan(path: string): Promise<Scan> {
  const info = await stat(path).catch(() => null);
  if (info?.isFile()) return { path, folder: false, files: [resolve(path)] };
  if (!info?.isDirectory()) throw missing(path, 'nothing at this path');
  const entries = await readdir(path);
  if (entries.length === 0) throw missing(path, 'an empty folder');
  const files: string[] = [];
  for (const name of entries.filter(isSeriesFile).sort()) {
    const file = resolve(join(path, name));
    if ((await stat(file).catch(() => null))?.isFile()) files.push(file);
  }
  return { path, folder: true, files };
}

function missing(path: string, found: string): Fault {
  const expected = 'a NIfTI file or a DICOM folder';
  return new Fault('SCAN_MISSING', { at: basename(path), found, expected, fix: 'Correct the path' });
}

/** The scan's files in memory, under their base names. @throws Fault VOLUME_TOO_LARGE, and what the file system says */
export async function readScan({ files }: Scan): Promise<{ name: string; bytes: Uint8Array }[]> {
  const read: { name: string; bytes: Uint8Array }[] = [];
  for (const file of files) read.push({ name: basename(file), bytes: await readVolumeFile(file) });
  return read;
}

/** Told before servers are started for them. @throws what the file system says of a file that may not be read */
export async function requireReadable(scans: readonly Scan[]): Promise<void> {
  for (const file of scans.flatMap(({ files }) => files)) await access(file, constants.R_OK);
}
