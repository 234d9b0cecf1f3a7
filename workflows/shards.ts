import type { EncodedPatient, EncodeInput, ModelRef } from '../contracts/stages.ts';

/** A shard's artifact is about this big: a second of work or more, and few enough objects. */
const SHARD_BYTES = 16 * 2 ** 20;
/** However small the embeddings: a shard is also what a killed worker loses, and what the progress bar counts. */
const MOST_SLICES = 32;
const HALF_FLOAT_BYTES = 2;

/** How many slices go into a shard, by the size of one slice's embedding. */
export function shardSlices({ embeddingShape }: Pick<ModelRef, 'embeddingShape'>): number {
  const [channels, height, width] = embeddingShape;
  const fitting = Math.floor(SHARD_BYTES / (channels * height * width * HALF_FLOAT_BYTES));
  return Math.min(MOST_SLICES, Math.max(1, fitting));
}

/** Slice rows [from, to) of one patient. */
export interface Shard {
  readonly patient: string;
  readonly slices: EncodedPatient['slices'];
  readonly from: number;
  readonly to: number;
}

/** All shards in order, without those that `done` holds. */
export function shardsOf(
  { patients, shardSlices }: Pick<EncodeInput, 'patients' | 'shardSlices'>,
  done: readonly EncodedPatient[] = [],
): Shard[] {
  const finished = new Set(done.flatMap(({ patient, shards }) => shards.map(({ from }) => `${patient}/${from}`)));
  const shards: Shard[] = [];
  for (const { patient, slices, count } of patients) {
    for (let from = 0; from < count; from += shardSlices) {
      if (finished.has(`${patient}/${from}`)) continue;
      shards.push({ patient, slices, from, to: Math.min(count, from + shardSlices) });
    }
  }
  return shards;
}
