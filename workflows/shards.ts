import type { EmbeddingPiece, EncodedPatient, EncodeInput, ModelRef } from '../contracts/stages.ts';

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

type Cut = Pick<EncodeInput, 'patients' | 'shardSlices'>;

/** All shards in order, without those that `done` holds. */
export function shardsOf({ patients, shardSlices }: Cut, done: readonly EncodedPatient[] = []): Shard[] {
  const finished = new Set<string>();
  for (const { patient, shards } of done) {
    // A list covers many shards.
    for (const piece of shards) {
      for (let from = piece.from; from < piece.to; from += shardSlices) finished.add(`${patient}/${from}`);
    }
  }
  const shards: Shard[] = [];
  for (const { patient, slices, count } of patients) {
    for (let from = 0; from < count; from += shardSlices) {
      if (finished.has(`${patient}/${from}`)) continue;
      shards.push({ patient, slices, from, to: Math.min(count, from + shardSlices) });
    }
  }
  return shards;
}

/** Above this number, references to shards (about 200 bytes each) are put on lists in the store: a message holds 2 MiB. */
export const SHARDS_IN_PLACE = 512;
/** Shards of one patient on one list. */
const SHARDS_ON_A_LIST = 256;

/** What is encoded so far, by patient. */
export interface Encoded {
  /** Files a shard's embeddings. Gives the shards that are due to be put on a list, where this was the last of them. */
  add(shard: Shard, embeddings: EmbeddingPiece['embeddings']): EmbeddingPiece[] | null;
  /** One list takes the place of its shards. */
  replace(patient: string, shards: readonly EmbeddingPiece[], index: EmbeddingPiece['embeddings']): void;
  /** In the order of the input, each one's pieces in the order of its slices. */
  patients(): EncodedPatient[];
}

/** @param indexed whether shards go on lists; all of a patient's then do, so that nothing grows with their number */
export function openEncoded(input: Cut, done: readonly EncodedPatient[], indexed: boolean): Encoded {
  const pieces = new Map<string, EmbeddingPiece[]>(input.patients.map(({ patient }) => [patient, []]));
  const counts = new Map(input.patients.map(({ patient, count }) => [patient, count]));
  for (const { patient, shards } of done) pieces.get(patient)?.push(...shards);
  const listSlices = input.shardSlices * SHARDS_ON_A_LIST;
  const ordered = (list: readonly EmbeddingPiece[]) => [...list].sort((a, b) => a.from - b.from);
  return {
    add({ patient, from, to }, embeddings) {
      const own = pieces.get(patient);
      own?.push({ embeddings, from, to });
      if (!own || !indexed) return null;
      const start = from - (from % listSlices);
      const end = Math.min(start + listSlices, counts.get(patient) ?? 0);
      const listed = own.filter((piece) => piece.from >= start && piece.from < end);
      return listed.length === Math.ceil((end - start) / input.shardSlices) ? ordered(listed) : null;
    },
    replace(patient, shards, index) {
      const others = (pieces.get(patient) ?? []).filter((piece) => !shards.includes(piece));
      const list = { embeddings: index, from: shards[0]!.from, to: shards.at(-1)!.to };
      pieces.set(patient, [...others, list]);
    },
    patients: () =>
      input.patients.map(({ patient, slices }) => ({ patient, slices, shards: ordered(pieces.get(patient) ?? []) })),
  };
}
