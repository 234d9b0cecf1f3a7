import { basename } from 'node:path';
import { isArchiveName } from '../../lib/dataset/sources/archive.ts';
import { looksLikeDicom } from '../../lib/volume/dicom.ts';
import { inspectVolume } from '../../lib/volume/inspect.ts';
import { readHead } from '../../lib/volume/read-file.ts';
import { EXIT } from '../exit-codes.ts';
import { listScan, readScan, type Scan } from '../scan-files.ts';
import { renderVolume } from '../volume-text.ts';

export interface InspectCommandOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** `samflow inspect PATH`: one volume, or a whole data set; nothing is started. Exit code 2 where something cannot be used. */
export async function inspectCommand(path: string, { config, json = false }: InspectCommandOptions): Promise<number> {
  const scan = config === undefined ? await listScan(path) : null;
  if (!scan || !(await isVolume(scan))) {
    // Loaded when it is needed: it costs more time than a volume.
    return (await import('../inspect-dataset.ts')).tellDataset(path, config, json);
  }
  const facts = await inspectVolume(await readScan(scan));
  console.log(json ? JSON.stringify({ path, ...facts }) : renderVolume(path, facts));
  return EXIT.ok;
}

/** Files looked at to tell a series, of which some may be damaged, from a folder of other things. */
const LOOKED_AT = 8;

/** A file that is no archive, or a folder of DICOM files; with a NIfTI file among them it is a scan with its mask. */
async function isVolume({ files, folder }: Scan): Promise<boolean> {
  if (!folder) return !isArchiveName(files[0]!);
  if (files.some((file) => /\.nii(\.gz)?$/i.test(basename(file)))) return false;
  const heads = await Promise.all(files.slice(0, LOOKED_AT).map((file) => readHead(file, 132)));
  return heads.some(looksLikeDicom);
}
