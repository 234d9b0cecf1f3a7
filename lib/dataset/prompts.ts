import { type Box, boundingBox, connectedComponents } from './components.ts';
import type { Point, PointSetting } from './points.ts';
import { random } from './random.ts';

/** As `PromptsConfig` of the run configuration. */
export interface PromptsSetting extends BoxSetting, PointSetting {
  readonly jitter: number;
  readonly jitterPixels: number;
  readonly automatic: 'lungs' | 'prior' | 'image' | 'proposer';
  readonly propagate: boolean;
}

/** What of it decides the boxes of a mask. */
export interface BoxSetting {
  readonly box: 'component' | 'label';
  readonly minComponentPixels: number;
  readonly padding: number;
  readonly paddingPixels: number;
  readonly empty: 'none' | 'image';
}

/** A box, and which structure is asked for in it. */
export interface LabelledBox {
  readonly box: Box;
  /** Number of the structure, from 1. */
  readonly label: number;
  /** Where the prompts have any. */
  readonly points?: readonly Point[] | undefined;
}

/** One object to segment: where it is told to be, and what is asked for there. */
export interface Prompt extends LabelledBox {
  /** [H, W], 0 or 1: the pixels of this object alone. */
  readonly componentMask: Uint8Array;
}

/** `paddingPixels` and `jitterPixels` are told at a model input of this size. */
const TOLD_AT = 1024;

/** Pixels of a slice for so many of a model input of 1024: slices keep their own pixels. */
export const ownPixels = (pixels: number, height: number, width: number): number =>
  (pixels * Math.max(height, width)) / TOLD_AT;

/**
 * Boxes from a truth mask [H, W] (0 is background): for each structure one per connected component, left out where it has
 * fewer than `minComponentPixels`, or one round all of it; a little wider by the padding. By structure, then in raster order.
 * Without foreground none, or one round the whole image if the setting says so, in which nothing is to be found.
 *
 * Two lungs under one box make the model choose what lies between them; a box each is what a reader would draw.
 */
export function boxesOf(mask: Uint8Array, height: number, width: number, setting: BoxSetting): Prompt[] {
  const labels = labelsIn(mask);
  if (labels.length === 0) {
    if (setting.empty === 'none') return [];
    return [{ box: [0, 0, width, height], label: 1, componentMask: new Uint8Array(mask.length) }];
  }
  return labels.flatMap((label) => {
    const own = mask.map((value) => (value === label ? 1 : 0));
    return objectsOf(own, height, width, setting).map(({ box, componentMask }) => ({
      box: padBox(box, height, width, setting),
      label,
      componentMask,
    }));
  });
}

function labelsIn(mask: Uint8Array): number[] {
  const seen = new Uint8Array(256);
  for (let at = 0; at < mask.length; at += 1) seen[mask[at]!] = 1;
  return [...seen.keys()].filter((label) => label > 0 && seen[label] === 1);
}

/** Of a mask of 0 and 1. */
function objectsOf(
  mask: Uint8Array,
  height: number,
  width: number,
  { box: mode, minComponentPixels }: BoxSetting,
): Omit<Prompt, 'label'>[] {
  if (mode === 'label') return [{ box: boundingBox(mask, height, width)!, componentMask: mask }];
  const { labels, components } = connectedComponents(mask, height, width);
  return components
    .filter(({ pixels }) => pixels >= minComponentPixels)
    .map(({ box, label }) => ({ box, componentMask: Uint8Array.from(labels, (value) => (value === label ? 1 : 0)) }));
}

/** A box widened on every side by a fraction of its longer side and by so many pixels, within the image. */
export function padBox(
  box: Readonly<Box>,
  height: number,
  width: number,
  { padding, paddingPixels }: Pick<BoxSetting, 'padding' | 'paddingPixels'>,
): Box {
  const [x0, y0, x1, y1] = box;
  const by = padding * Math.max(x1 - x0, y1 - y0) + ownPixels(paddingPixels, height, width);
  return [Math.max(0, x0 - by), Math.max(0, y0 - by), Math.min(width, x1 + by), Math.min(height, y1 + by)];
}

/**
 * A box as a hurried reader draws it: each side moves outward by up to `jitter` of the longer side and up to `jitterPixels`
 * (of a model input of 1024), independently, and stops at the border of the image [height, width]. A pure function of the
 * seed and the counters (epoch, slice, box).
 */
export function jitterBox(
  [x0, y0, x1, y1]: Readonly<Box>,
  height: number,
  width: number,
  { jitter, jitterPixels }: Pick<PromptsSetting, 'jitter' | 'jitterPixels'>,
  seed: number,
  ...counters: number[]
): Box {
  const reach = Math.min(ownPixels(jitterPixels, height, width), jitter * Math.max(x1 - x0, y1 - y0));
  const outward = (side: number) => reach * random(seed, ...counters, side);
  return [
    Math.max(0, x0 - outward(0)),
    Math.max(0, y0 - outward(1)),
    Math.min(width, x1 + outward(2)),
    Math.min(height, y1 + outward(3)),
  ];
}

/** Whether a drawn box may be another than the exact one: where not, nothing is scored a second time. */
export const isJittered = ({ kind, jitter, jitterPixels }: PromptsSetting): boolean =>
  kind !== 'points' && jitter > 0 && jitterPixels > 0;

/** What of the setting decides the prompts that are drawn in training, boxes and points alike. */
export function drawingOf({ jitter, jitterPixels, kind, positivePoints, negativePoints }: PromptsSetting) {
  return { jitter, jitterPixels, kind, positivePoints, negativePoints };
}
