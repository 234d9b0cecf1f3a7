import { type Box, boundingBox, connectedComponents } from './components.ts';
import { random } from './random.ts';

/** As `PromptsConfig` of the run configuration. */
export interface PromptsSetting {
  readonly box: 'component' | 'label';
  readonly jitter: number;
  readonly jitterPixels: number;
  readonly minComponentPixels: number;
  readonly automatic: 'lungs' | 'prior' | 'image';
}

/** One object to segment: where it is told to be, and what is asked for there. */
export interface Prompt {
  readonly box: Box;
  /** [H, W], 0 or 1: the pixels of this object alone. */
  readonly componentMask: Uint8Array;
}

/**
 * Boxes from a truth mask [H, W] (non-zero is foreground): one per connected component, left out where it has fewer than
 * `minComponentPixels`, or one round all of it. In raster order; empty for a mask without (large enough) foreground.
 *
 * Two lungs under one box make the model choose what lies between them; a box each is what a reader would draw.
 */
export function boxesOf(
  mask: Uint8Array,
  height: number,
  width: number,
  { box: mode, minComponentPixels }: Pick<PromptsSetting, 'box' | 'minComponentPixels'>,
): Prompt[] {
  if (mode === 'label') {
    const box = boundingBox(mask, height, width);
    return box ? [{ box, componentMask: mask.map((value) => (value === 0 ? 0 : 1)) }] : [];
  }
  const { labels, components } = connectedComponents(mask, height, width);
  return components
    .filter(({ pixels }) => pixels >= minComponentPixels)
    .map(({ box, label }) => ({ box, componentMask: Uint8Array.from(labels, (value) => (value === label ? 1 : 0)) }));
}

/**
 * A box as a hurried reader draws it: each side moves outward by up to `fraction` of the longer side and up to `limit`
 * pixels, independently, and stops at the border of the image [height, width]. A pure function of the seed and the
 * counters (epoch, slice, box).
 */
export function jitterBox(
  [x0, y0, x1, y1]: Readonly<Box>,
  height: number,
  width: number,
  { fraction, limit }: { fraction: number; limit: number },
  seed: number,
  ...counters: number[]
): Box {
  const reach = Math.min(limit, fraction * Math.max(x1 - x0, y1 - y0));
  const outward = (side: number) => reach * random(seed, ...counters, side);
  return [
    Math.max(0, x0 - outward(0)),
    Math.max(0, y0 - outward(1)),
    Math.min(width, x1 + outward(2)),
    Math.min(height, y1 + outward(3)),
  ];
}
