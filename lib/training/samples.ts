import { jitterBox } from '../dataset/prompts.ts';
import { randomOrder } from '../dataset/random.ts';
import { float16, float32, type Tensor } from '../runtime/tensor.ts';
import type { SamModel } from '../sam/model.ts';
import { preprocess, scaleBox } from '../sam/processor.ts';
import type { BatchShape } from './mask-graph.ts';
import { type BatchSettings, imagesPerPass } from './passes.ts';
import { coverage, targetOf } from './targets.ts';

/** One object on a slice. */
export interface TrainingObject {
  /** x0, y0, x1, y1 in pixels of the slice. */
  readonly box: readonly [number, number, number, number];
  /** [H, W] of 0 or 1: this object alone. */
  readonly mask: Uint8Array;
}

/** A slice with its objects, as the embedding that was kept of it or as itself. */
export interface TrainingSlice {
  /** Float16 bits [C, h, w] of the embedding, or grey values [H, W]. */
  readonly image: Uint16Array | Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly objects: readonly TrainingObject[];
}

/** How training boxes are drawn: see `prompts.jitter` and `prompts.jitterPixels` of the run configuration. */
export interface BoxJitter {
  readonly seed: number;
  readonly jitter: number;
  /** At a model input of 1024. */
  readonly jitterPixels: number;
}

/** Streams of random numbers under one seed, so that no two uses share a draw. */
const STREAM = { order: 1, jitter: 2 } as const;

/** Objects of one slice that share its embedding; `real` of them count, the rest fill up the static shape. */
interface Group {
  readonly slice: number;
  readonly objects: readonly number[];
  readonly real: number;
}

/** Turns slices into batches: a pure function of (seed, epoch, position), so a resumed run draws what the first one drew. */
export class Batches {
  readonly perEpoch: number;
  /** Images of a batch, each with `boxesPerImage` boxes. */
  readonly images: number;
  /** What goes through the model at once; a batch is one or more such passes. */
  readonly shape: BatchShape;
  readonly passes: number;
  /** Passes in which validation sees every box once. */
  readonly validationPasses: number;
  private readonly slices: readonly TrainingSlice[];
  private readonly groups: readonly Group[];
  /** By slice and object, made when a batch first asks for it: all at once would hold up the heartbeats of a large set. */
  private readonly covered = new Map<string, Uint8Array>();
  private readonly model: SamModel;

  constructor(slices: readonly TrainingSlice[], settings: BatchSettings, model: SamModel) {
    const { batchBoxes, boxesPerImage } = settings;
    this.slices = slices;
    this.model = model;
    this.groups = slices.flatMap(({ objects }, slice) => groupsOf(slice, objects.length, boxesPerImage));
    this.images = Math.max(1, Math.min(batchBoxes / boxesPerImage, this.groups.length));
    const from = slices[0]?.image instanceof Uint8Array ? 'pixels' : 'embeddings';
    const images = imagesPerPass(this.images, settings, model.config, from);
    this.shape = { images, boxesPerImage };
    this.passes = this.images / images;
    this.perEpoch = Math.ceil(this.groups.length / this.images);
    this.validationPasses = Math.ceil(this.groups.length / images);
  }

  /**
   * Pass number `pass` of batch number `index` of an epoch, in shuffled order with jittered boxes. The last batch is filled
   * up from the epoch's beginning, so every step has the same shape.
   */
  training(epoch: number, index: number, pass: number, jitter: BoxJitter): Record<string, Tensor> {
    const { images } = this.shape;
    const order = randomOrder(this.groups.length, jitter.seed, STREAM.order, epoch);
    const first = index * this.images + pass * images;
    const at = Array.from({ length: images }, (_, i) => order[(first + i) % order.length]!);
    return this.feeds(at, (group, slot) => {
      const { height, width, objects } = this.slices[this.groups[group]!.slice]!;
      const { box } = objects[this.groups[group]!.objects[slot]!]!;
      const counters = [STREAM.jitter, epoch, group, ...(slot > 0 ? [slot] : [])];
      return jitterBox([...box], height, width, jitter, jitter.seed, ...counters);
    });
  }

  /** Pass number `pass` in the slices' own order with exact boxes, and which of its boxes count. */
  validation(pass: number): { feeds: Record<string, Tensor>; counts: readonly boolean[] } {
    const { images, boxesPerImage } = this.shape;
    const start = pass * images;
    const rows = Math.min(images, this.groups.length - start);
    const at = Array.from({ length: images }, (_, i) => start + Math.min(i, rows - 1));
    const counts = at.flatMap((group, row) =>
      Array.from({ length: boxesPerImage }, (_, slot) => row < rows && slot < this.groups[group]!.real),
    );
    const exact = (group: number, slot: number) => {
      const { slice, objects } = this.groups[group]!;
      return this.slices[slice]!.objects[objects[slot]!]!.box;
    };
    return { feeds: this.feeds(at, exact), counts };
  }

  private feeds(
    at: readonly number[],
    boxOf: (group: number, slot: number) => readonly number[],
  ): Record<string, Tensor> {
    const { boxesPerImage: perImage } = this.shape;
    const { maskSize } = this.model.config;
    const count = at.length * perImage;
    const boxes = new Float32Array(count * 4);
    const target = new Float32Array(count * maskSize ** 2);
    for (const [row, group] of at.entries()) {
      const { slice, objects } = this.groups[group]!;
      const { height, width } = this.slices[slice]!;
      for (const [slot, object] of objects.entries()) {
        const place = row * perImage + slot;
        boxes.set(scaleBox(boxOf(group, slot), height, width, this.model.processor), place * 4);
        targetOf(this.coverageOf(slice, object), target, place * maskSize ** 2);
      }
    }
    return {
      ...this.imageFeeds(at.map((group) => this.slices[this.groups[group]!.slice]!)),
      boxes: float32(boxes, [at.length, perImage, 4]),
      target: float32(target, [count, 1, maskSize, maskSize]),
    };
  }

  private imageFeeds(slices: readonly TrainingSlice[]): Record<string, Tensor> {
    const { config, processor } = this.model;
    if (slices[0]!.image instanceof Uint8Array) {
      const size = 3 * config.imageSize ** 2;
      const pixels = new Float32Array(slices.length * size);
      for (const [i, { image, height, width }] of slices.entries()) {
        preprocess(image as Uint8Array, height, width, processor, pixels, i * size);
      }
      return { pixels: float32(pixels, [slices.length, 3, config.imageSize, config.imageSize]) };
    }
    const shape = [config.decoder.hidden_size, config.grid, config.grid];
    const embeddings = new Uint16Array(slices.length * slices[0]!.image.length);
    for (const [i, { image }] of slices.entries()) embeddings.set(image, i * image.length);
    return { embeddings: float16(embeddings, [slices.length, ...shape]) };
  }

  private coverageOf(slice: number, object: number): Uint8Array {
    const key = `${slice}/${object}`;
    const { height, width, objects } = this.slices[slice]!;
    const known = this.covered.get(key);
    const covered = known ?? coverage(objects[object]!.mask, height, width, this.model.config.maskSize);
    this.covered.set(key, covered);
    return covered;
  }
}

/** A slice's objects in groups of one size; the last one is filled up with its slice's first objects again. */
function groupsOf(slice: number, count: number, size: number): Group[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, group) => ({
    slice,
    objects: Array.from({ length: size }, (__, slot) => (group * size + slot) % count),
    real: Math.min(size, count - group * size),
  }));
}
