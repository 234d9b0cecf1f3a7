import { greyOf } from '../volume/intensity.ts';
import { type Box, boundingBox, connectedComponents, find, unite } from './components.ts';
import { type BoxSetting, type LabelledBox, type PromptsSetting, padBox } from './prompts.ts';
import type { SliceAxis, SliceStack } from './slices.ts';

/** Boxes for scans without truth. They score lower than boxes from the truth and are never mixed with them. */

/** Where a structure was in the training set's slices of one plane: as `ModelPackage.priors`. */
export interface BoxPrior {
  readonly axis: SliceAxis;
  readonly label: number;
  /** Fractions of the volume's extent along the slice axis between which the structure was seen. */
  readonly fromFraction: number;
  readonly toFraction: number;
  /** x0, y0, x1, y1 as fractions of the body's bounding box over the slices between those, so that the field of view does not matter. */
  readonly boxFraction: Box;
}

/**
 * Boxes for each slice of a stack that holds every slice in order; a slice without a box is not decoded.
 *
 * - `lungs`: a classical rule, see `lungBoxes`.
 * - `prior`: one box for each structure where the training set had it; falls back to `image` without any prior.
 * - `image`: the whole slice.
 * - `proposer`: none here: its boxes come with the embeddings (lib/training/proposer.ts).
 */
export function automaticBoxes(
  stack: SliceStack,
  kind: PromptsSetting['automatic'],
  priors: readonly BoxPrior[],
  setting: Pick<BoxSetting, 'minComponentPixels' | 'padding' | 'paddingPixels'>,
): LabelledBox[][] {
  const { height, width } = stack;
  if (kind === 'lungs') {
    const padded = (box: Box) => ({ box: padBox(box, height, width, setting), label: 1 });
    return lungBoxes(stack, setting).map((boxes) => boxes.map(padded));
  }
  if (kind === 'proposer') return Array.from(stack.index, () => []);
  if (kind === 'prior' && priors.length > 0) return priorBoxes(stack, priors);
  return Array.from(stack.index, () => [{ box: [0, 0, width, height], label: 1 }]);
}

// lungs --------------------------------------------------------------------------------------------------------------

/** Air and lung lie below, soft tissue above: half-way between -850 and 50 HU. */
const AIR_BELOW_HU = -400;
/** Plain air has -1000, lung about -850; where the window cannot tell them apart, both are black and count as plain air. */
const PLAIN_AIR_BELOW_HU = -930;
/** Pockets of air (windpipe, stomach, bowel) hold less than this share of the larger lung. */
const SMALLEST_LUNG_SHARE = 0.1;

interface AirRegion {
  readonly row: number;
  readonly label: number;
  readonly pixels: number;
  readonly box: Box;
}

/**
 * The lungs by anatomy: air inside the body. Air that reaches the border of the slice is outside, unless it is denser than
 * plain air: a narrow field of view cuts through the lungs. Regions of neighbouring slices that overlap belong to one organ,
 * and organs much smaller than the largest are dropped. One box per region left.
 *
 * Works on the stack's grey values; where the window starts above -400 HU (soft tissue), its black is taken for air.
 */
export function lungBoxes(stack: SliceStack, { minComponentPixels }: { minComponentPixels: number }): Box[][] {
  const { pixels, index, height, width } = stack;
  const area = height * width;
  const regions: AirRegion[] = [];
  const parents: number[] = [];
  let above: { labels: Int32Array; first: number } = { labels: new Int32Array(area), first: 0 };
  for (let row = 0; row < index.length; row += 1) {
    const slice = pixels.subarray(row * area, (row + 1) * area);
    const { labels, components } = connectedComponents(insideAir(slice, stack), height, width);
    const first = regions.length;
    for (const component of components) {
      parents.push(regions.length);
      regions.push({ row, ...component });
    }
    if (row > 0) joinOverlapping(labels, first, above.labels, above.first, parents);
    above = { labels, first };
  }
  return boxesOfOrgans(regions, parents, index.length, minComponentPixels);
}

/** Air of a slice without the regions outside the body: those that reach the border and are as dark as plain air. */
function insideAir(slice: Uint8Array, { height, width, window }: SliceStack): Uint8Array {
  const threshold = greyOf(AIR_BELOW_HU, window);
  const plainAir = greyOf(PLAIN_AIR_BELOW_HU, window);
  const air = slice.map((grey) => (grey <= threshold ? 1 : 0));
  const { labels, components } = connectedComponents(air, height, width);
  const sums = new Float64Array(components.length + 1);
  for (let at = 0; at < labels.length; at += 1) sums[labels[at]!]! += slice[at]!;
  const outside = components.map(({ box, pixels, label }) => {
    const reachesBorder = box[0] === 0 || box[1] === 0 || box[2] === width || box[3] === height;
    return reachesBorder && sums[label]! <= plainAir * pixels;
  });
  return air.map((value, at) => (value === 1 && outside[labels[at]! - 1] ? 0 : value));
}

/** Unites regions of two neighbouring slices that share a pixel position; `first` is the number of each slice's label 1. */
function joinOverlapping(labels: Int32Array, first: number, above: Int32Array, firstAbove: number, parents: number[]) {
  for (let at = 0; at < labels.length; at += 1) {
    if (labels[at] !== 0 && above[at] !== 0) unite(parents, first + labels[at]! - 1, firstAbove + above[at]! - 1);
  }
}

function boxesOfOrgans(regions: readonly AirRegion[], parents: number[], rows: number, minPixels: number): Box[][] {
  const sizes = new Map<number, number>();
  regions.forEach(({ pixels }, region) => {
    const organ = find(parents, region);
    sizes.set(organ, (sizes.get(organ) ?? 0) + pixels);
  });
  const smallest = SMALLEST_LUNG_SHARE * Math.max(0, ...sizes.values());
  const boxes: Box[][] = Array.from({ length: rows }, () => []);
  regions.forEach(({ row, pixels, box }, region) => {
    if (pixels >= minPixels && sizes.get(find(parents, region))! >= smallest) boxes[row]!.push(box);
  });
  return boxes;
}

// prior --------------------------------------------------------------------------------------------------------------

/** Fat and anything denser; in a window that starts above it, anything that is not black. */
const BODY_ABOVE_HU = -300;

/** The box round the largest bright region of each of these rows (all by default): the body without the table, mostly. */
export function bodyBox(
  { pixels, index, height, width, window }: SliceStack,
  rows: Iterable<number> = index.keys(),
): Box {
  const area = height * width;
  const threshold = greyOf(BODY_ABOVE_HU, window);
  const union: Box = [width, height, 0, 0];
  for (const row of rows) {
    const bright = pixels.subarray(row * area, (row + 1) * area).map((grey) => (grey > threshold ? 1 : 0));
    const { components } = connectedComponents(bright, height, width);
    const [largest] = [...components].sort((a, b) => b.pixels - a.pixels);
    if (!largest) continue;
    union[0] = Math.min(union[0], largest.box[0]);
    union[1] = Math.min(union[1], largest.box[1]);
    union[2] = Math.max(union[2], largest.box[2]);
    union[3] = Math.max(union[3], largest.box[3]);
  }
  return union[2] > union[0] ? union : [0, 0, width, height];
}

/**
 * The priors of the training patients' stacks (slices with foreground, and their masks): where along the body, and in which
 * part of its cross-section, each structure lies in each plane. The mean over the patients who have it, so that each counts
 * once. None without masks.
 */
export function priorsOf(patients: readonly (readonly SliceStack[])[]): BoxPrior[] {
  const single = patients.flat().flatMap(priorsOfStack);
  const groups = new Map<string, BoxPrior[]>();
  for (const prior of single) {
    const key = `${prior.axis} ${prior.label}`;
    groups.set(key, [...(groups.get(key) ?? []), prior]);
  }
  return [...groups.values()]
    .map(meanPrior)
    .sort((a, b) => (a.axis < b.axis ? -1 : a.axis > b.axis ? 1 : a.label - b.label));
}

function meanPrior(priors: readonly BoxPrior[]): BoxPrior {
  const mean = (value: (prior: BoxPrior) => number) =>
    priors.reduce((sum, prior) => sum + value(prior), 0) / priors.length;
  const { axis, label } = priors[0]!;
  return {
    ...{ axis, label },
    fromFraction: mean((prior) => prior.fromFraction),
    toFraction: mean((prior) => prior.toFraction),
    boxFraction: [0, 1, 2, 3].map((side) => mean((prior) => prior.boxFraction[side]!)) as Box,
  };
}

function priorsOfStack(stack: SliceStack): BoxPrior[] {
  if (!stack.masks) return [];
  const seen = new Uint8Array(256);
  for (const label of stack.masks) seen[label] = 1;
  return [...seen.keys()].filter((label) => label > 0 && seen[label] === 1).map((label) => priorOf(stack, label));
}

function priorOf(stack: SliceStack, label: number): BoxPrior {
  const { index, height, width, total, axis } = stack;
  const masks = stack.masks!;
  const area = height * width;
  const rows = Array.from(index.keys()).filter((row) => masks.subarray(row * area, (row + 1) * area).includes(label));
  // The union over slices: a box that cuts the target off cannot be mended later, one that is too wide can.
  const union = new Uint8Array(area);
  for (const row of rows) {
    for (let pixel = 0; pixel < area; pixel += 1) if (masks[row * area + pixel] === label) union[pixel] = 1;
  }
  const [x0, y0, x1, y1] = boundingBox(union, height, width)!;
  const [bx0, by0, bx1, by1] = bodyBox(stack, rows);
  const [w, h] = [bx1 - bx0, by1 - by0];
  return {
    ...{ axis, label },
    fromFraction: index[rows[0]!]! / total,
    toFraction: (index[rows.at(-1)!]! + 1) / total,
    boxFraction: [(x0 - bx0) / w, (y0 - by0) / h, (x1 - bx0) / w, (y1 - by0) / h],
  };
}

function priorBoxes(stack: SliceStack, priors: readonly BoxPrior[]): LabelledBox[][] {
  const boxes: LabelledBox[][] = Array.from(stack.index, () => []);
  for (const prior of priors) {
    if (prior.axis !== stack.axis) continue;
    for (const [row, box] of boxesOfPrior(stack, prior)) boxes[row]!.push({ box, label: prior.label });
  }
  return boxes;
}

/** The same box in every slice of a range. */
function boxesOfPrior(stack: SliceStack, { fromFraction, toFraction, boxFraction }: BoxPrior): [number, Box][] {
  const { index, height, width, total } = stack;
  const middles = Array.from(index, (position) => (position + 0.5) / total);
  const rows = [...middles.keys()].filter((row) => middles[row]! >= fromFraction && middles[row]! <= toFraction);
  // Of these slices alone, as the prior was drawn: shoulders or arms above them make another body.
  const [bx0, by0, bx1, by1] = bodyBox(stack, rows);
  const [x0, y0, x1, y1] = boxFraction;
  const [w, h] = [bx1 - bx0, by1 - by0];
  const box = (): Box => [
    Math.max(0, bx0 + x0 * w),
    Math.max(0, by0 + y0 * h),
    Math.min(width, bx0 + x1 * w),
    Math.min(height, by0 + y1 * h),
  ];
  return rows.map((row) => [row, box()]);
}
