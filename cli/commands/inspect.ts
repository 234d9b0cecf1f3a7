import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { SplitConfig } from '../../contracts/config.ts';
import { type DatasetFacts, inspectDataset } from '../../lib/dataset/inspect.ts';
import { isArchiveName } from '../../lib/dataset/sources/archive.ts';
import { openSource } from '../../lib/dataset/sources/open.ts';
import { looksLikeDicom } from '../../lib/volume/dicom.ts';
import { inspectVolume, type VolumeFacts } from '../../lib/volume/inspect.ts';
import { readConfig } from '../config/read-config.ts';
import { cacheDirOf } from '../dev/folders.ts';
import { EXIT } from '../exit-codes.ts';
import { renderDataset, renderVolume } from '../inspect-text.ts';
import { findScan, type Scan } from '../scan-files.ts';

export interface InspectCommandOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** `samflow inspect PATH`: one volume, or a whole data set; nothing is started. Exit code 2 where something cannot be used. */
export async function inspectCommand(path: string, { config, json = false }: InspectCommandOptions): Promise<number> {
  if (config === undefined && (await isVolume(path))) {
    const facts = await volumeFacts(await findScan(path));
    console.log(json ? JSON.stringify({ path, ...facts }) : renderVolume(path, facts));
    return EXIT.ok;
  }
  const facts = await datasetFacts(path, config);
  console.log(json ? JSON.stringify(datasetJson(path, facts)) : renderDataset(path, facts));
  return facts.patients.some(({ fault }) => fault) || facts.splitFault ? EXIT.usage : EXIT.ok;
}

/** A file that is no archive, or a folder of DICOM files. */
async function isVolume(path: string): Promise<boolean> {
  const { files } = await findScan(path);
  const first = files[0]!;
  const info = await stat(first);
  if (!info.isFile()) return false;
  if (files.length === 1 && resolve(path) === first) return !isArchiveName(path);
  return looksLikeDicom(await readFile(first));
}

async function volumeFacts({ files }: Scan): Promise<VolumeFacts> {
  const named = await Promise.all(files.map(async (file) => ({ name: basename(file), bytes: await readFile(file) })));
  return inspectVolume(named);
}

async function datasetFacts(path: string, config: string | undefined): Promise<DatasetFacts> {
  const run = config === undefined ? null : await readConfig(config);
  const listing = await openSource({ kind: 'local', path: resolve(path) }, { cacheDir: cacheDirOf(process.env) });
  try {
    return await inspectDataset(listing, {
      ...(run && { dataset: run.dataset }),
      split: run?.split ?? SplitConfig.parse({}),
      deep: true,
    });
  } finally {
    await listing.close();
  }
}

/** Faults as code and sentence. */
function datasetJson(path: string, { patients, splitFault, ...facts }: DatasetFacts): object {
  const plain = (fault: DatasetFacts['splitFault']) => fault && { code: fault.code, message: fault.message };
  return {
    path,
    ...facts,
    patients: patients.map(({ fault, ...patient }) => ({ ...patient, fault: plain(fault) })),
    splitFault: plain(splitFault),
  };
}
