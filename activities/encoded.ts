import { EmbeddingIndex, type EmbeddingPiece, type EncodedPatient } from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import type { SliceStack } from '../lib/dataset/slices.ts';
import { u16 } from '../lib/safetensors.ts';
import type { ImageEncoder } from '../lib/training/encoder.ts';
import { EMBEDDING_INDEX } from './index-embeddings.ts';
import { readTensors } from './models.ts';

/** Name of the tensor in an `embeddings` artifact: F16 [N, C, h, w]. */
export const EMBEDDINGS = 'embeddings';

/** A patient's embeddings, one view [C, h, w] of half floats a slice, in the order of the slices artifact. */
export async function readEmbeddings(artifacts: ArtifactStore, { shards }: EncodedPatient): Promise<Uint16Array[]> {
  const rows: Uint16Array[] = [];
  for await (const { embeddings } of shardsIn(artifacts, shards)) {
    const tensor = (await readTensors(artifacts, embeddings)).get(EMBEDDINGS);
    if (!tensor) throw new TypeError(`${embeddings.key} holds no ${EMBEDDINGS}`);
    const [count = 0, ...shape] = tensor.shape;
    const size = shape.reduce((product, axis) => product * axis, 1);
    const values = u16(tensor);
    for (let row = 0; row < count; row++) rows.push(values.subarray(row * size, (row + 1) * size));
  }
  return rows;
}

/** The shards themselves, also those that stand on lists in the store. */
export async function* shardsIn(
  artifacts: ArtifactStore,
  pieces: readonly EmbeddingPiece[],
): AsyncGenerator<EmbeddingPiece> {
  for (const piece of pieces) {
    if (piece.embeddings.kind === EMBEDDING_INDEX) yield* await artifacts.getJson(piece.embeddings, EmbeddingIndex);
    else yield piece;
  }
}

/** New embeddings of all slices, in the same form. */
export async function encodeStacks(
  encoder: Pick<ImageEncoder, 'encode'>,
  stacks: readonly Pick<SliceStack, 'pixels' | 'index' | 'height' | 'width'>[],
  signal: AbortSignal,
): Promise<Uint16Array[]> {
  const rows: Uint16Array[] = [];
  for (const { pixels, index, height, width } of stacks) {
    const all = await encoder.encode(pixels, index.length, height, width, signal);
    const size = all.length / index.length;
    for (const at of index.keys()) rows.push(all.subarray(at * size, (at + 1) * size));
  }
  return rows;
}

/** What an encoded patient is, for a memo's inputs. */
export const encodedDigests = ({ slices, shards }: EncodedPatient): string[] => [
  slices.sha256,
  ...shards.map(({ embeddings }) => embeddings.sha256),
];
