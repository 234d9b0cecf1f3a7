import { resolve } from 'node:path';
import { SplitConfig } from '../contracts/config.ts';
import { type DatasetFacts, inspectDataset } from '../lib/dataset/inspect.ts';
import { openSource } from '../lib/dataset/sources/open.ts';
import { readConfig } from './config/read-config.ts';
import { cacheDirOf } from './dev/folders.ts';
import { EXIT } from './exit-codes.ts';
import { renderDataset } from './inspect-text.ts';

/** The patients of a folder or archive, paired as a configuration says, or by its layout. */
export async function tellDataset(path: string, config: string | undefined, json: boolean): Promise<number> {
  const facts = await datasetFacts(path, config);
  console.log(json ? JSON.stringify(datasetJson(path, facts)) : renderDataset(path, facts));
  return facts.patients.some(({ fault }) => fault) || facts.splitFault ? EXIT.usage : EXIT.ok;
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
