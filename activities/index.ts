import type { Device } from '../lib/runtime/session.ts';
import { createConvert } from './convert.ts';
import type { ActivityDeps } from './deps.ts';
import { onDevices } from './devices.ts';
import { createDownload } from './download.ts';
import { createEncodeShard } from './encode-shard.ts';
import { createEvaluate } from './evaluate.ts';
import { createFineTune } from './fine-tune.ts';
import { createFingerprint } from './fingerprint.ts';
import { createImportModel } from './import-model.ts';
import { createIndexEmbeddings } from './index-embeddings.ts';
import { createInfer } from './infer.ts';
import { createPackage } from './package.ts';
import { createPool } from './pool.ts';
import { createPromote, createPropose, createReadChampion, createRecordRun } from './registry.ts';
import { createReport } from './report.ts';
import { Sessions } from './sessions.ts';
import { createSlice } from './slice.ts';
import { createSplit } from './split.ts';
import { createTrainProposer } from './train-proposer.ts';

/** All activities over one set of dependencies, in the order in which data flows through them. */
export function createActivities(deps: ActivityDeps) {
  const own = (device: Device | null) => modelStages(deps, new Sessions({ ...deps, device }));
  const [first = null, ...others] = deps.devices ?? [];
  return {
    fingerprint: createFingerprint(deps),
    download: createDownload(deps),
    importModel: createImportModel(deps),
    convert: createConvert(deps),
    slice: createSlice(deps),
    split: createSplit(deps),
    ...onDevices([own(first), ...others.map(own)]),
    indexEmbeddings: createIndexEmbeddings(deps),
    package: createPackage(deps),
    report: createReport(deps),
    pool: createPool(deps),
    recordRun: createRecordRun(deps),
    readChampion: createReadChampion(deps),
    promote: createPromote(deps),
    propose: createPropose(deps),
  };
}

/** Everything that opens a model session. */
function modelStages(deps: ActivityDeps, sessions: Sessions) {
  return {
    encodeShard: createEncodeShard(deps, sessions),
    fineTune: createFineTune(deps, sessions),
    trainProposer: createTrainProposer(deps, sessions),
    evaluate: createEvaluate(deps, sessions),
    infer: createInfer(deps, sessions),
  };
}

/** What workflows know of the activities: their types. */
export type Activities = ReturnType<typeof createActivities>;
