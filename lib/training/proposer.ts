import { setImmediate } from 'node:timers/promises';
import { input, sigmoid, transpose } from '../graph/index.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { float16, float32 } from '../runtime/tensor.ts';
import { flatParameters, flatSize, frozenParameters } from '../sam/parameters.ts';
import { Ahead } from './ahead.ts';
import { type Embedding, readEmbedding } from './embedding.ts';
import { openSession } from './open-session.ts';
import { boxesOfShares, type Proposal } from './proposer-boxes.ts';
import { insideShares, mapGrid, PLACE_SIZE, type SlicePlace, writePlaces } from './proposer-cells.ts';
import { decodeProposer, type ModelGeometry, type ProposerContent } from './proposer-format.ts';
import { type HeadShape, headLogits, headParameters } from './proposer-head.ts';

/** Slices in one run; a static shape, so a last, smaller group is filled up with repeats. */
const BATCH = 8;

/** A slice as the head sees it. */
export interface PlacedSlice extends SlicePlace {
  readonly embedding: Embedding;
  /** Pixels of the slice. */
  readonly height: number;
  readonly width: number;
}

/** The head in a session of its own, with weights that may be replaced. */
export class ShareMaps {
  private readonly session: Session;
  private readonly shape: HeadShape;

  private constructor(session: Session, shape: HeadShape) {
    this.session = session;
    this.shape = shape;
  }

  static async open(
    shape: HeadShape,
    measured: ReadonlyMap<string, Float32Array>,
    session: Omit<SessionOptions, 'fold'>,
  ): Promise<ShareMaps> {
    const { layout } = headParameters(shape);
    const weights = input('weights', 'float32', [flatSize(layout)]);
    const parameters = flatParameters(weights, layout, frozenParameters(measured));
    const shares = transpose(sigmoid(headLogits(parameters, shape, BATCH)), [0, 2, 1]);
    return new ShareMaps(await openSession({ shares }, session), shape);
  }

  async use(weights: Float32Array): Promise<void> {
    await this.session.write({ weights: float32(weights, [weights.length]) });
  }

  /** For each slice the share of each cell of the map that each structure covers, [K, cells]. */
  async of(slices: readonly PlacedSlice[], signal?: AbortSignal): Promise<Float32Array[]> {
    const size = this.shape.structures * mapGrid(this.shape.grid) ** 2;
    const maps: Float32Array[] = [];
    const batches = Math.ceil(slices.length / BATCH);
    const batchOf = (at: number) =>
      Array.from({ length: BATCH }, (_, i) => slices[Math.min(at * BATCH + i, slices.length - 1)]!);
    const ahead = new Ahead((at) => headFeeds(batchOf(at), this.shape), 0, batches);
    for (let start = 0; start < slices.length; start += BATCH) {
      signal?.throwIfAborted();
      const { shares } = await this.session.run(await ahead.next(signal));
      const data = shares!.data as Float32Array;
      for (let i = 0; i < Math.min(BATCH, slices.length - start); i++) {
        maps.push(onSlice(data.slice(i * size, (i + 1) * size), slices[start + i]!, this.shape));
      }
    }
    return maps;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

/** Maps [K, cells] without what lies beside the slice: nothing was learned about the padding. */
function onSlice(maps: Float32Array, { height, width }: PlacedSlice, { grid }: HeadShape): Float32Array {
  const inside = insideShares({ height, width, grid: mapGrid(grid) });
  return maps.map((share, at) => Math.min(share, inside[at % inside.length]!));
}

/** What `headLogits` takes. */
export async function headFeeds(slices: readonly PlacedSlice[], { channels, grid }: HeadShape) {
  const cells = grid ** 2;
  const embeddings = new Uint16Array(slices.length * channels * cells);
  const places = new Float32Array(slices.length * cells * PLACE_SIZE);
  for (const [i, slice] of slices.entries()) {
    embeddings.set(await readEmbedding(slice.embedding), i * channels * cells);
    writePlaces({ height: slice.height, width: slice.width, grid }, slice, places, i * cells * PLACE_SIZE);
  }
  return {
    embeddings: float16(embeddings, [slices.length, channels, grid, grid]),
    places: float32(places, [slices.length, cells, PLACE_SIZE]),
  };
}

/** Proposes boxes on slices without truth, by what a training saw on others: see `trainProposer`. */
export class Proposer {
  private readonly maps: ShareMaps;
  private readonly content: ProposerContent;

  private constructor(maps: ShareMaps, content: ProposerContent) {
    this.maps = maps;
    this.content = content;
  }

  /** Throws PROPOSER_MISMATCH where the bytes are not those of a proposer for this model, and SAFETENSORS_…. */
  static async open(
    bytes: Uint8Array,
    geometry: ModelGeometry,
    session: Omit<SessionOptions, 'fold'>,
  ): Promise<Proposer> {
    const content = decodeProposer(bytes, geometry);
    const maps = await ShareMaps.open(content.shape, content.measured, session);
    await maps.use(content.weights);
    return new Proposer(maps, content);
  }

  get structures(): number {
    return this.content.shape.structures;
  }

  /**
   * Boxes in pixels of each slice, by slice and structure: the structures of the training's labels, from 1 on.
   */
  async propose(slices: readonly PlacedSlice[], signal?: AbortSignal): Promise<Proposal[][][]> {
    const { shape, rules, mode } = this.content;
    const proposals: Proposal[][][] = [];
    for (const [i, shares] of (await this.maps.of(slices, signal)).entries()) {
      await setImmediate();
      signal?.throwIfAborted();
      const { height, width } = slices[i]!;
      const cells = { height, width, grid: mapGrid(shape.grid) };
      proposals.push(rules.map((rule, k) => boxesOfShares(structureOf(shares, k, shape), cells, rule, mode)));
    }
    return proposals;
  }

  close(): Promise<void> {
    return this.maps.close();
  }
}

/** One structure's map [cells] of [K, cells]; `k` counts from 0. */
export function structureOf(shares: Float32Array, k: number, { grid }: Pick<HeadShape, 'grid'>): Float32Array {
  const cells = mapGrid(grid) ** 2;
  return shares.subarray(k * cells, (k + 1) * cells);
}
