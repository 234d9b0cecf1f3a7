import { setImmediate } from 'node:timers/promises';
import type { Box } from '../dataset/components.ts';
import { type PointSetting, pointsOfBox } from '../dataset/points.ts';
import { boxesOf, padBox } from '../dataset/prompts.ts';
import { upscaleMask } from '../sam/post-process.ts';
import type { MaskDecoder, Prediction } from './decoder.ts';
import { type Look, likeness, lookOf } from './look.ts';
import { scalePrompt } from './prompt-feeds.ts';
import { type BoxMode, boxIou, exactly, MOST_BOXES, round } from './proposer-boxes.ts';

/** A box for the next slice is wider than the mask in this one by this share of its longer side, on each side. */
const PADDING = 0.05;
/** Where a mask's box meets that of the slice before with a smaller IoU, it is another thing. */
const LEAST_OVERLAP = 0.3;
/**
 * Where a mask looks more like the rest of the slice before than like the mask there, it is another thing: asked for what is
 * in a box, the model gives a mask of nothing too. Measured on discs that end: 0.98 inside, 0.02 beyond.
 */
const LEAST_LIKENESS = 0.5;
/** Two boxes of a slice that meet with a larger IoU follow the same thing. */
const SAME = 0.7;
/** Start prompts that are judged at once: what the decoder takes in one run. */
const JUDGED = 8;

export interface Propagation {
  readonly decoder: MaskDecoder;
  /** Slices of the scan, neighbours beside each other. */
  readonly rows: number;
  /** Pixels of a slice. */
  readonly height: number;
  readonly width: number;
  /** Float16 bits [C, h, w] of a slice; asked for again and again, so that not all have to be held. */
  readonly embeddingOf: (row: number) => Promise<Uint16Array>;
  /** By structure: boxes in pixels of the slice, by row. */
  readonly starts: readonly ReadonlyMap<number, readonly Readonly<Box>[]>[];
  /** What counts as a box, and which clicks go with each. */
  readonly setting: BoxMode & PointSetting;
  readonly signal?: AbortSignal | undefined;
}

/** A piece of a mask, to be found again in the next slice. */
interface Track {
  readonly box: Box;
  readonly look: Look;
}

/** A structure on its way in one direction. */
interface Front {
  readonly structure: number;
  readonly row: number;
  readonly direction: 1 | -1;
  readonly tracks: readonly Track[];
}

/** A box on a slice, and the track that it comes from, if any. */
interface Asked {
  readonly row: number;
  readonly box: Readonly<Box>;
  readonly from?: Track;
}

/**
 * Boxes for each structure and row, from those of one slice: that where the model is surest, by its own estimate of the IoU
 * times the size of the masks. From there each box goes outward both ways: the box of its mask, a little wider, prompts the
 * next slice. It ends with the scan, where the mask has fewer than `minComponentPixels`, and where it is another thing than
 * the one before. A mask that falls into pieces goes on as several boxes; boxes that come together go on as one.
 * Deterministic.
 */
export async function propagateBoxes(o: Propagation): Promise<Box[][][]> {
  const boxes: Box[][][] = o.starts.map(() => Array.from({ length: o.rows }, () => []));
  let fronts: Front[] = [];
  for (const [structure, starts] of o.starts.entries()) {
    const row = await surestRow(o, starts);
    if (row === null) continue;
    const asked = starts.get(row)!.map((box) => ({ row, box }));
    boxes[structure]![row] = asked.map(({ box }) => [...box]);
    const tracks = (await tracksOf(o, asked)).flat();
    fronts.push({ structure, row, direction: 1, tracks }, { structure, row, direction: -1, tracks });
  }
  while (fronts.length > 0) fronts = await step(o, fronts, boxes);
  return boxes;
}

/** One slice further in each direction; boxes that led to something are entered. */
async function step(o: Propagation, fronts: readonly Front[], boxes: Box[][][]): Promise<Front[]> {
  const next = fronts
    .map((front) => ({ ...front, row: front.row + front.direction }))
    .filter(({ row }) => row >= 0 && row < o.rows);
  const asked = next.map(({ row, tracks }) =>
    tracks.map((from) => ({
      row,
      box: padBox(from.box, o.height, o.width, { padding: PADDING, paddingPixels: 0 }),
      from,
    })),
  );
  const found = await tracksOf(o, asked.flat());
  let at = 0;
  return next.flatMap(({ structure, row, direction }, front) => {
    const tracks: Track[] = [];
    for (const { box } of asked[front]!) {
      const pieces = found[at++]!.filter(isNew(tracks));
      if (pieces.length > 0) boxes[structure]![row]!.push(box);
      tracks.push(...pieces);
    }
    return tracks.length > 0 ? [{ structure, row, direction, tracks: tracks.slice(0, MOST_BOXES) }] : [];
  });
}

const isNew =
  (tracks: readonly Track[]) =>
  ({ box }: Track): boolean =>
    tracks.every((other) => boxIou(box, other.box) <= SAME);

/** The row whose masks are largest and surest; of equals the first. Null without any box. */
async function surestRow(
  o: Propagation,
  starts: ReadonlyMap<number, readonly Readonly<Box>[]>,
): Promise<number | null> {
  const asked = [...starts].sort(([a], [b]) => a - b).flatMap(([row, boxes]) => boxes.map((box) => ({ row, box })));
  const scores = new Map<number, number>();
  for (let at = 0; at < asked.length; at += JUDGED) {
    const group = asked.slice(at, at + JUDGED);
    for (const [i, { prediction }] of (await predict(o, group)).entries()) {
      scores.set(group[i]!.row, (scores.get(group[i]!.row) ?? 0) + sureness(prediction));
    }
  }
  let surest: number | null = null;
  for (const [row, score] of scores) if (surest === null || score > scores.get(surest)!) surest = row;
  return surest;
}

const sureness = ({ logits, iou }: Prediction): number =>
  Math.max(0, iou) * logits.reduce((count, logit) => count + (logit > 0 ? 1 : 0), 0);

/** For each box the pieces of its mask; none where it is another thing than that which the box comes from. */
async function tracksOf(o: Propagation, asked: readonly Asked[]): Promise<Track[][]> {
  const tracks: Track[][] = [];
  for (const [i, { prediction, embedding }] of (await predict(o, asked)).entries()) {
    await setImmediate();
    o.signal?.throwIfAborted();
    tracks.push(piecesOf(o, prediction, embedding, asked[i]!.from));
  }
  return tracks;
}

function piecesOf(o: Propagation, { logits }: Prediction, embedding: Uint16Array, from: Track | undefined): Track[] {
  const { height, width, setting } = o;
  const { config, processor } = o.decoder.model;
  const full = upscaleMask(logits, config.maskSize, height, width, processor);
  const mask = Uint8Array.from(full, (logit) => (logit > 0 ? 1 : 0));
  const found = boxesOf(mask, height, width, exactly(setting)).filter(({ componentMask }) => {
    return componentMask.reduce((sum, value) => sum + value, 0) >= setting.minComponentPixels;
  });
  if (found.length === 0) return [];
  const look = lookOf(embedding, mask, { height, width, grid: config.grid });
  const whole = found.map(({ box }) => box).reduce(round);
  const isOther = from && (boxIou(whole, from.box) < LEAST_OVERLAP || likeness(look, from.look) < LEAST_LIKENESS);
  return isOther ? [] : found.map(({ box }) => ({ box, look }));
}

async function predict(o: Propagation, asked: readonly Asked[]) {
  const embeddings = new Map<number, Uint16Array>();
  for (const { row } of asked) if (!embeddings.has(row)) embeddings.set(row, await o.embeddingOf(row));
  const prompted = asked.map(({ row, box }) => ({
    embedding: embeddings.get(row)!,
    ...scalePrompt({ box, points: pointsOfBox(box, o.setting) }, o.height, o.width, o.decoder.model.processor),
  }));
  const predictions = await o.decoder.predict(prompted, o.signal);
  return predictions.map((prediction, i) => ({ prediction, embedding: prompted[i]!.embedding }));
}
