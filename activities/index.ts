import { createConvert } from './convert.ts';
import type { ActivityDeps } from './deps.ts';
import { createDownload } from './download.ts';
import { createEncodeShard } from './encode-shard.ts';
import { createEvaluate } from './evaluate.ts';
import { createFineTune } from './fine-tune.ts';
import { createFingerprint } from './fingerprint.ts';
import { createImportModel } from './import-model.ts';
import { createIndexEmbeddings } from './index-embeddings.ts';
import { createInfer } from './infer.ts';
import { createPackage } from './package.ts';
import { createPromote, createReadChampion, createRecordRun } from './registry.ts';
import { createReport } from './report.ts';
import { Sessions } from './sessions.ts';
import { createSlice } from './slice.ts';
import { createSplit } from './split.ts';

/** All activities over one set of dependencies, in the order in which data flows through them. */
export function createActivities(deps: ActivityDeps) {
  const sessions = new Sessions(deps);
  return {
    fingerprint: createFingerprint(deps),
    download: createDownload(deps),
    importModel: createImportModel(deps),
    convert: createConvert(deps),
    slice: createSlice(deps),
    split: createSplit(deps),
    encodeShard: createEncodeShard(deps, sessions),
    indexEmbeddings: createIndexEmbeddings(deps),
    fineTune: createFineTune(deps, sessions),
    evaluate: createEvaluate(deps, sessions),
    package: createPackage(deps),
    infer: createInfer(deps, sessions),
    report: createReport(deps),
    recordRun: createRecordRun(deps),
    readChampion: createReadChampion(deps),
    promote: createPromote(deps),
  };
}

/** What workflows know of the activities: their types. */
export type Activities = ReturnType<typeof createActivities>;
