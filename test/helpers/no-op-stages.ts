import { createHash } from 'node:crypto';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import type * as Stages from '../../contracts/stages.ts';
import { EmbeddingIndex, type EncodedPatient } from '../../contracts/stages.ts';

/** Stages that do nothing, on patients that are not there: what is left is the workflows' own cost. */
export interface NoOpSetting {
  readonly patients: number;
  readonly slices: number;
  /** Of one slice; decides how many go into a shard. */
  readonly embeddingShape: readonly [number, number, number];
}

const outcome = { reused: false, seconds: 0.001 };
const overlap = { dice: 0.5, iou: 0.4 };
export const patientAt = (number: number): string => `p-${String(number).padStart(12, '0')}`;

export function refOf(kind: string, ...of: (string | number)[]): ArtifactRef {
  const sha256 = createHash('sha256')
    .update([kind, ...of].join('/'))
    .digest('hex');
  return { kind, key: `cas/sha256/${sha256}`, sha256, bytes: 123_456 };
}

/** The doubles, and what they were asked for. */
export function noOpStages({ patients, slices, embeddingShape }: NoOpSetting) {
  const asked = {
    slices: 0,
    shards: 0,
    indexed: new Map<string, readonly Stages.EmbeddingPiece[]>(),
    trained: [] as EncodedPatient[],
  };
  const model = {
    ...{ name: 'no-op', origin: null, embeddingShape: [...embeddingShape] as [number, number, number] },
    ...{ config: refOf('config'), preprocessor: refOf('preprocessor'), weights: refOf('weights') },
  };
  const keys = Array.from({ length: patients }, (_, at) => patientAt(at));
  const stages = {
    download: async () => ({
      patients: keys.map((patient) => ({ patient, files: refOf('patient-files', patient), split: null })),
      ...{ fingerprint: 'f'.repeat(64), files: 2 * patients, bytes: 1, licence: null, ...outcome },
    }),
    importModel: async () => ({ model, ...outcome }),
    convert: async ({ patient }: Stages.ConvertInput) => ({
      ...{ patient, volume: refOf('volume', patient), shape: [512, 512, slices], spacingMm: [0.7, 0.7, 1.5] },
      ...{ axisCodes: 'LPS', foregroundVoxels: 1_000_000, repairs: [], ...outcome },
    }),
    slice: async ({ patient }: Stages.SliceInput) => ({
      ...{ patient, slices: refOf('slices', patient), count: slices, total: slices, ...outcome },
    }),
    split: async ({ patients: all }: Stages.SplitInput) => {
      const fifth = Math.ceil(all.length / 5);
      const group = (from: number, to: number) => all.slice(from, to).map(({ patient }) => patient);
      const groups = { test: group(0, fifth), val: group(fifth, 2 * fifth), train: group(2 * fifth, all.length) };
      return { ...groups, record: refOf('split'), ...outcome };
    },
    encodeShard: async ({ slices: of, from, to }: Stages.EncodeShardInput) => {
      asked.shards += 1;
      asked.slices += to - from;
      return { embeddings: refOf('embeddings', of.sha256, from), from, to, ...outcome };
    },
    indexEmbeddings: async ({ shards }: Stages.IndexEmbeddingsInput) => {
      const index = refOf('embedding-index', JSON.stringify(shards));
      asked.indexed.set(index.sha256, EmbeddingIndex.parse(shards));
      return { index };
    },
    fineTune: async ({ train, val }: Stages.FineTuneInput) => {
      asked.trained.push(...(train as EncodedPatient[]), ...(val as EncodedPatient[]));
      const best = { steps: 1, bestEpoch: 1, bestValLoss: 0.1 };
      return { weights: refOf('weights', 'tuned'), curves: refOf('curves'), ...best, ...outcome };
    },
    evaluate: async ({ test }: Stages.EvaluateInput) => {
      asked.trained.push(...(test as EncodedPatient[]));
      const scores = { zeroShot: overlap, fineTuned: overlap };
      return { evaluation: refOf('evaluation'), predictions: [], ...scores, postProcess: null, ...outcome };
    },
    package: async () => ({ package: refOf('model-package'), ...outcome }),
    infer: async ({ patient }: Stages.InferInput) => ({
      ...{ patient, mask: refOf('mask', patient), foregroundVoxels: 1, promptedSlices: 1, prompts: 'prior' },
      ...{ overlap, scores: null, overlapBefore: null, ...outcome },
    }),
    report: async () => ({ report: refOf('report'), ...outcome }),
    recordRun: async () => undefined,
  };
  /** Rows that a patient's references cover, those on lists too. */
  const rowsOf = ({ shards }: EncodedPatient): [number, number][] =>
    shards.flatMap((piece) => asked.indexed.get(piece.embeddings.sha256) ?? [piece]).map(({ from, to }) => [from, to]);
  return { stages, asked, rowsOf, model };
}
