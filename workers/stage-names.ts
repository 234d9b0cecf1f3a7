import type { Activities } from '../activities/index.ts';
import type { Stage } from '../contracts/queues.ts';

/** What activities are called in logs, metrics and traces: by their stage, and by their own name where they are part of none. */
const STAGE_OF = {
  fingerprint: 'fingerprint',
  download: 'download',
  importModel: 'import-model',
  convert: 'convert',
  slice: 'slice',
  split: 'split',
  encodeShard: 'encode',
  indexEmbeddings: 'index-embeddings',
  fineTune: 'fine-tune',
  trainProposer: 'train-proposer',
  evaluate: 'evaluate',
  package: 'package',
  infer: 'infer',
  report: 'report',
  pool: 'pool',
  recordRun: 'record-run',
  readChampion: 'read-champion',
  promote: 'promote',
  propose: 'propose',
} as const satisfies Record<keyof Activities, Stage | (string & {})>;

/** The stage of an activity; of one that this version does not know, its type. */
export const stageOf = (activityType: string): string =>
  Object.hasOwn(STAGE_OF, activityType) ? STAGE_OF[activityType as keyof typeof STAGE_OF] : activityType;
