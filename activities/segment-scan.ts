import type { ModelPackage } from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import type { Box } from '../lib/dataset/components.ts';
import { pointsOfBox } from '../lib/dataset/points.ts';
import { type LabelledBox, padBox } from '../lib/dataset/prompts.ts';
import { probabilityOfLogits } from '../lib/sam/post-process.ts';
import { MaskDecoder, segmentSlices } from '../lib/training/decoder.ts';
import { promptShape } from '../lib/training/prompt-feeds.ts';
import { propagateBoxes } from '../lib/training/propagate.ts';
import { Proposer } from '../lib/training/proposer.ts';
import type { Attempt } from './activity.ts';
import { withEmbeddingFile } from './embedding-file.ts';
import { encodeStacks } from './encoded.ts';
import type { BorrowedEncoder, Sessions } from './sessions.ts';
import type { FoundPlane, Tasks } from './tasks.ts';

type PlannedSlice = ReturnType<Tasks['plan']>[number];
type Plane = ReturnType<typeof emptyPlanes>[number];
type BoxesByRow = (readonly LabelledBox[])[];

/** Slices encoded in one go. */
const BATCH = 8;

interface Segmented {
  readonly planes: FoundPlane[];
  /** Slices that had a box. */
  readonly prompted: number;
}

/**
 * What a packaged model finds on the planned slices of a scan, with probabilities where they are wanted. Slices come with
 * boxes, or a proposer makes them; from these boxes a propagation may start. Embeddings are held for one batch at a time.
 */
export async function segmentScan(
  rows: readonly PlannedSlice[],
  model: ModelPackage,
  probability: boolean,
  { sessions, artifacts }: { readonly sessions: Sessions; readonly artifacts: ArtifactStore },
  attempt: Attempt,
): Promise<Segmented> {
  const { signal } = attempt;
  const tuned = await sessions.tuned(model.model, model.weights);
  signal.throwIfAborted();
  const encoder = await sessions.encoder(model.model, signal, { ...tuned, weights: model.weights });
  const options = sessions.options(model.model, signal);
  const open: { close(): Promise<void> }[] = [];
  try {
    const decoder = await MaskDecoder.open(tuned.model, options, promptShape(model.prompts));
    open.push(decoder);
    const bytes = model.proposer && (await artifacts.get(model.proposer));
    const proposer = bytes && (await Proposer.open(bytes, tuned.model.config, options));
    if (proposer) open.push(proposer);
    const scan = new Scan({ encoder, decoder, proposer }, model, rows.length, attempt);
    const planes = emptyPlanes(rows, probability);
    let prompted = 0;
    for (const plane of planes) prompted += await scan.segment(plane);
    return { planes: planes.map(({ rows, ...plane }) => plane), prompted };
  } finally {
    for (const session of open) await session.close();
  }
}

class Scan {
  readonly #sessions: { encoder: BorrowedEncoder; decoder: MaskDecoder; proposer: Proposer | null };
  readonly #model: Pick<ModelPackage, 'prompts' | 'structures'>;
  readonly #total: number;
  readonly #attempt: Attempt;
  #done = 0;

  constructor(
    sessions: { encoder: BorrowedEncoder; decoder: MaskDecoder; proposer: Proposer | null },
    model: Pick<ModelPackage, 'prompts' | 'structures'>,
    total: number,
    attempt: Attempt,
  ) {
    this.#sessions = sessions;
    this.#model = model;
    this.#total = total;
    this.#attempt = attempt;
  }

  /** Fills a plane, and says on how many slices there was a box. */
  async segment(plane: Plane): Promise<number> {
    if (this.#model.prompts.propagate) return this.#propagate(plane);
    let prompted = 0;
    await this.#eachBatch(plane, async (batch, embeddings, from) => {
      const boxes = await this.#boxes(batch, embeddings);
      prompted += await this.#decode(plane, from, boxes, embeddings);
    });
    return prompted;
  }

  /** The boxes at hand start a propagation, whose boxes are decoded: everything is seen twice, and encoded once. */
  async #propagate(plane: Plane): Promise<number> {
    const { decoder, encoder } = this.#sessions;
    const { height, width } = plane.stack;
    const size = encoder.embeddingShape.reduce((product, extent) => product * extent, 1);
    return withEmbeddingFile(size, async (file) => {
      const starts: BoxesByRow = [];
      await this.#eachBatch(plane, async (batch, embeddings) => {
        for (const embedding of embeddings) await file.append(embedding);
        starts.push(...(await this.#boxes(batch, embeddings)));
      });
      const found = await propagateBoxes({
        ...{ decoder, height, width, rows: plane.rows.length, embeddingOf: (row: number) => file.read(row) },
        starts: this.#model.structures.map((_, k) => startsOf(starts, k + 1)),
        setting: this.#model.prompts,
        signal: this.#attempt.signal,
      });
      let prompted = 0;
      for (let from = 0; from < plane.rows.length; from += BATCH) {
        const count = Math.min(BATCH, plane.rows.length - from);
        const boxes = Array.from({ length: count }, (_, at) =>
          found.flatMap((byRow, k) => byRow[from + at]!.map((box) => this.#prompt(box, k))),
        );
        const embeddings = await Promise.all(boxes.map((_, at) => file.read(from + at)));
        prompted += await this.#decode(plane, from, boxes, embeddings);
      }
      return prompted;
    });
  }

  async #eachBatch(
    { rows, stack: { height, width } }: Plane,
    use: (batch: readonly PlannedSlice[], embeddings: readonly Uint16Array[], from: number) => Promise<void>,
  ): Promise<void> {
    const { signal, report } = this.#attempt;
    for (let from = 0; from < rows.length; from += BATCH) {
      const batch = rows.slice(from, from + BATCH);
      const pixels = new Uint8Array(batch.length * height * width);
      for (const [at, row] of batch.entries()) pixels.set(row.pixels, at * height * width);
      const index = Int32Array.from(batch, ({ index }) => index);
      const stacks = [{ pixels, index, height, width }];
      await use(batch, await encodeStacks(this.#sessions.encoder, stacks, signal), from);
      this.#done += batch.length;
      report({ done: this.#done, total: this.#total });
    }
  }

  /** Those that the slices came with, or proposed ones, as wide as those of the training. */
  async #boxes(batch: readonly PlannedSlice[], embeddings: readonly Uint16Array[]): Promise<BoxesByRow> {
    const { proposer } = this.#sessions;
    if (!proposer) return batch.map(({ boxes }) => boxes);
    const slices = batch.map((row, at) => ({ ...row, embedding: embeddings[at]! }));
    const proposed = await proposer.propose(slices, this.#attempt.signal);
    return proposed.map((structures, at) => {
      const { height, width } = batch[at]!;
      const padded = (box: Box) => padBox(box, height, width, this.#model.prompts);
      return structures.flatMap((boxes, k) => boxes.map(({ box }) => this.#prompt(padded(box), k)));
    });
  }

  #prompt(box: Box, structure: number): LabelledBox {
    return { box, label: structure + 1, points: pointsOfBox(box, this.#model.prompts) };
  }

  async #decode(plane: Plane, from: number, boxes: BoxesByRow, embeddings: readonly Uint16Array[]): Promise<number> {
    const { height, width } = plane.stack;
    const prompted = boxes.map((boxes, at) => ({ embedding: embeddings[at]!, height, width, boxes }));
    const found = await segmentSlices(this.#sessions.decoder, prompted, this.#attempt.signal);
    for (const [at, { labels, logits }] of found.entries()) {
      plane.labels.set(labels, (from + at) * height * width);
      plane.probabilities?.set(probabilityOfLogits(logits), (from + at) * height * width);
    }
    return boxes.filter((boxes) => boxes.length > 0).length;
  }
}

/** The boxes of one structure by row. */
const startsOf = (boxes: BoxesByRow, label: number): ReadonlyMap<number, readonly Box[]> =>
  new Map(
    boxes.flatMap((labelled, row) => {
      const own = labelled.filter((one) => one.label === label).map(({ box }) => box);
      return own.length > 0 ? [[row, own] as const] : [];
    }),
  );

/** The planned slices by plane, with room for what is found on them. */
function emptyPlanes(rows: readonly PlannedSlice[], probability: boolean) {
  return [...new Set(rows.map(({ axis }) => axis))].map((axis) => {
    const own = rows.filter((row) => row.axis === axis);
    const { height, width } = own[0]!;
    const count = own.length * height * width;
    return {
      rows: own,
      stack: { axis, height, width, index: own.map(({ index }) => index) },
      labels: new Uint8Array(count),
      probabilities: probability ? new Float32Array(count) : null,
    };
  });
}
