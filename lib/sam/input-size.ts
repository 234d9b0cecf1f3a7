import { Fault } from '../fault.ts';
import type { Shape } from '../graph/index.ts';
import type { SamConfig } from './config.ts';
import { parameterShapes, type SamModel } from './model.ts';

/**
 * The model for a smaller (or larger) square input: 512 instead of 1024 takes a quarter of the time. Absolute positions
 * are interpolated bicubically and the relative ones of global attention linearly, as transformers does with
 * `interpolate_pos_encoding`; windows keep theirs. Throws SAM_INPUT_SIZE.
 */
export function atInputSize(model: SamModel, size: number): SamModel {
  const { config, processor } = model;
  if (size === config.imageSize) return model;
  const resized = configAt(config, size);
  const shapes = parameterShapes(resized);
  const tensors = new Map(model.tensors);
  for (const [name, shape] of shapes) {
    const before = model.shapes.get(name)!;
    const values = model.tensors.get(name);
    if (!values || before.every((extent, axis) => extent === shape[axis])) continue;
    tensors.set(name, resizePositions(values, before, shape));
  }
  return { config: resized, processor: { ...processor, size }, tensors, shapes };
}

/** Learned positions of one shape in another: absolute ones [1, n, n, C], or relative ones [2 n - 1, C]. */
export function resizePositions(values: Float32Array, before: Shape, after: Shape): Float32Array {
  const channels = after.at(-1)!;
  return after.length === 4
    ? interpolateGrid(values, before[1]!, after[1]!, channels)
    : resample(values, before[0]!, after[0]!, 1, channels, linearTaps);
}

/** The configuration of `atInputSize`. Throws SAM_INPUT_SIZE where patches do not fill the size. */
export function configAt(config: SamConfig, imageSize: number): SamConfig {
  const patch = config.vision.patch_size;
  const grid = imageSize / patch;
  if (!Number.isInteger(grid)) {
    throw new Fault('SAM_INPUT_SIZE', {
      at: 'model.inputSize',
      found: String(imageSize),
      expected: `a multiple of the model's patches of ${patch} pixels`,
      fix: `Use ${config.imageSize}, which the checkpoint was made for, or a half or a quarter of it`,
    });
  }
  return {
    ...config,
    vision: { ...config.vision, image_size: imageSize },
    prompt: { ...config.prompt, image_size: imageSize },
    ...{ imageSize, grid, maskSize: 4 * grid },
  };
}

/** Absolute positions [1, n, n, C] at another n. */
function interpolateGrid(values: Float32Array, from: number, to: number, channels: number): Float32Array {
  const rows = resample(values, from, to, 1, from * channels, cubicTaps);
  return resample(rows, from, to, to, channels, cubicTaps);
}

/** Source places and their weights for one place of the target. */
type Taps = (at: number) => readonly (readonly [offset: number, weight: number])[];

/**
 * torch.nn.functional.interpolate (align_corners=False, no antialiasing) along the middle axis of [outer, from, inner]:
 * the target's centre in the source, and taps round it, repeated at the border.
 */
function resample(
  values: Float32Array,
  from: number,
  to: number,
  outer: number,
  inner: number,
  taps: (fraction: number) => ReturnType<Taps>,
): Float32Array {
  const result = new Float32Array(outer * to * inner);
  for (let i = 0; i < to; i++) {
    const centre = ((i + 0.5) * from) / to - 0.5;
    // A linear filter does not look beyond the first sample; a cubic one does.
    const at = taps === linearTaps ? Math.max(0, centre) : centre;
    const low = Math.floor(at);
    for (const [offset, weight] of taps(at - low)) {
      const source = Math.min(from - 1, Math.max(0, low + offset));
      for (let o = 0; o < outer; o++) {
        const [read, write] = [(o * from + source) * inner, (o * to + i) * inner];
        for (let k = 0; k < inner; k++) result[write + k]! += weight * values[read + k]!;
      }
    }
  }
  return result;
}

const linearTaps: Taps = (fraction) => [
  [0, 1 - fraction],
  [1, fraction],
];

/** Cubic convolution with a = -0.75, as PyTorch has it. */
const cubicTaps: Taps = (fraction) => {
  const a = -0.75;
  const near = (x: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [
    [-1, far(fraction + 1)],
    [0, near(fraction)],
    [1, near(1 - fraction)],
    [2, far(2 - fraction)],
  ];
};
