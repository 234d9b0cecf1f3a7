import { type PackedMask, unpackMask } from '../dataset/packed-mask.ts';
import { drawPoints, type Point, type PointSetting, pointsOf } from '../dataset/points.ts';
import { jitterBox } from '../dataset/prompts.ts';
import { random, randomOrder } from '../dataset/random.ts';
import { float32, type Tensor } from '../runtime/tensor.ts';
import type { SamModel } from '../sam/model.ts';
import { imageFeeds, type SliceImage } from './image-feeds.ts';
import type { BatchShape } from './mask-graph.ts';
import { type BatchSettings, imagesPerPass } from './passes.ts';
import { promptFeeds, promptShape, type SlicePrompt, scalePrompt } from './prompt-feeds.ts';
import { coverage, targetOf } from './targets.ts';

/** One object on a slice. */
export interface TrainingObject {
  /** x0, y0, x1, y1 in pixels of the slice. */
  readonly box: readonly [number, number, number, number];
  /** [H, W] of 0 or 1: this object alone. */
  readonly mask: Uint8Array | PackedMask;
}

/** A slice with its objects, as the embedding that was kept of it or as itself. */
export interface TrainingSlice extends SliceImage {
  readonly objects: readonly TrainingObject[];
}

/** How training prompts are drawn: see `prompts` of the run configuration. Boxes alone where no kind is named. */
export interface PromptDrawing extends Partial<PointSetting> {
  readonly seed: number;
  readonly jitter: number;
  /** At a model input of 1024. */
  readonly jitterPixels: number;
}

/** Streams of random numbers under one seed, so that no two uses share a draw. */
const STREAM = { order: 1, jitter: 2, points: 4, validation: 5 } as const;

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
  private order: { readonly epoch: number; readonly seed: number; readonly of: Int32Array } | undefined;
  private readonly model: SamModel;
  private readonly pointSetting: PointSetting;

  constructor(slices: readonly TrainingSlice[], settings: BatchSettings & Partial<PointSetting>, model: SamModel) {
    const { batchBoxes, boxesPerImage, kind = 'box', positivePoints = 1, negativePoints = 0 } = settings;
    this.pointSetting = { kind, positivePoints, negativePoints };
    this.slices = slices;
    this.model = model;
    this.groups = slices.flatMap(({ objects }, slice) => groupsOf(slice, objects.length, boxesPerImage));
    this.images = Math.max(1, Math.min(batchBoxes / boxesPerImage, this.groups.length));
    const from = slices[0]?.image instanceof Uint8Array ? 'pixels' : 'embeddings';
    const images = imagesPerPass(this.images, settings, model.config, from);
    this.shape = { images, boxesPerImage, prompt: promptShape(this.pointSetting) };
    this.passes = this.images / images;
    this.perEpoch = Math.ceil(this.groups.length / this.images);
    this.validationPasses = Math.ceil(this.groups.length / images);
  }

  /**
   * Pass number `pass` of batch number `index` of an epoch, in shuffled order with jittered boxes. The last batch is filled
   * up from the epoch's beginning, so every step has the same shape.
   */
  training(epoch: number, index: number, pass: number, drawing: PromptDrawing): Promise<Record<string, Tensor>> {
    const { images } = this.shape;
    const { seed } = drawing;
    const order = this.orderOf(epoch, seed);
    const first = index * this.images + pass * images;
    const at = Array.from({ length: images }, (_, i) => order[(first + i) % order.length]!);
    return this.feeds(at, (slice, object, group, slot) => {
      const counters = [epoch, group, ...(slot > 0 ? [slot] : [])];
      const exact = slice.objects[object]!.box;
      const box = jitterBox([...exact], slice.height, slice.width, drawing, seed, STREAM.jitter, ...counters);
      const draw = (n: number) => random(seed, STREAM.points, n, ...counters);
      return { box, points: this.points(slice, object, box, draw, 'drawn') };
    });
  }

  /** Pass number `pass` in the slices' own order with exact prompts, and which of them count. */
  async validation(pass: number): Promise<{ feeds: Record<string, Tensor>; counts: readonly boolean[] }> {
    const { images, boxesPerImage } = this.shape;
    const start = pass * images;
    const rows = Math.min(images, this.groups.length - start);
    const at = Array.from({ length: images }, (_, i) => start + Math.min(i, rows - 1));
    const counts = at.flatMap((group, row) =>
      Array.from({ length: boxesPerImage }, (_, slot) => row < rows && slot < this.groups[group]!.real),
    );
    const exact = (slice: TrainingSlice, object: number, group: number): SlicePrompt => {
      const { box } = slice.objects[object]!;
      const draw = (n: number) => random(0, STREAM.validation, group, object, n);
      return { box, points: this.points(slice, object, [...box], draw, 'deepest') };
    };
    return { feeds: await this.feeds(at, exact), counts };
  }

  /** Drawn once for all passes of an epoch: of 8000 groups that takes 8 ms. */
  private orderOf(epoch: number, seed: number): Int32Array {
    if (this.order?.epoch !== epoch || this.order.seed !== seed) {
      this.order = { epoch, seed, of: randomOrder(this.groups.length, seed, STREAM.order, epoch) };
    }
    return this.order.of;
  }

  private points(
    { height, width, objects }: TrainingSlice,
    object: number,
    box: Parameters<typeof drawPoints>[1],
    draw: (n: number) => number,
    first: 'drawn' | 'deepest',
  ): Point[] {
    if (pointsOf(this.pointSetting) === 0) return [];
    return drawPoints(unpackMask(objects[object]!.mask), box, [height, width], this.pointSetting, draw, first);
  }

  private async feeds(
    at: readonly number[],
    promptOf: (slice: TrainingSlice, object: number, group: number, slot: number) => SlicePrompt,
  ): Promise<Record<string, Tensor>> {
    const { boxesPerImage: perImage, prompt: shape } = this.shape;
    const { config, processor } = this.model;
    const { maskSize } = config;
    const images = await imageFeeds(
      at.map((group) => this.slices[this.groups[group]!.slice]!),
      this.model,
    );
    const count = at.length * perImage;
    const prompts: SlicePrompt[] = [];
    const target = new Float32Array(count * maskSize ** 2);
    for (const group of at) {
      const { slice: number, objects } = this.groups[group]!;
      const slice = this.slices[number]!;
      for (const [slot, object] of objects.entries()) {
        targetOf(this.coverageOf(number, object), target, prompts.length * maskSize ** 2);
        prompts.push(scalePrompt(promptOf(slice, object, group, slot), slice.height, slice.width, processor));
      }
    }
    return {
      ...images,
      ...promptFeeds(shape, prompts, perImage),
      target: float32(target, [count, 1, maskSize, maskSize]),
    };
  }

  private coverageOf(slice: number, object: number): Uint8Array {
    const key = `${slice}/${object}`;
    const { height, width, objects } = this.slices[slice]!;
    const known = this.covered.get(key);
    const covered = known ?? coverage(unpackMask(objects[object]!.mask), height, width, this.model.config.maskSize);
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
