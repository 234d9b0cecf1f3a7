import { random } from '../lib/dataset/random.ts';
import type { Shape } from '../lib/graph/index.ts';

/**
 * Starting weights for training from scratch, by name and shape: norms 1 and 0, biases and relative positions 0, learned
 * tokens N(0, 0.02), the rest uniform within 1/sqrt(inputs) as torch.nn.Linear starts.
 *
 * Two traps. The positional projection is N(0, 1): with the config's usual scale, half the width, neighbouring places have
 * unrelated encodings. And tokens of N(0, 1), as torch.nn.Embedding starts, held Dice at 0.000 for 400 steps where tokens
 * of N(0, 0.02) gave 0.097, all else equal (docs/decisions/0010).
 */
export function initialWeights(shapes: ReadonlyMap<string, Shape>, seed: number): Map<string, Float32Array> {
  const names = [...shapes.keys()].sort();
  return new Map(names.map((name, i) => [name, initialTensor(name, shapes.get(name)!, seed, i)]));
}

function initialTensor(name: string, shape: Shape, seed: number, tensor: number): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const fill = (f: (at: number) => number) => Float32Array.from({ length: size }, (_, at) => f(at));
  const normal = (deviation: number) => fill((at) => deviation * gaussian(seed, tensor, at));
  if (/layer_norm.*weight$/.test(name)) return fill(() => 1);
  if (/bias$|rel_pos_[hw]$/.test(name)) return fill(() => 0);
  if (name.endsWith('pos_embed')) return normal(0.02);
  if (/positional_embedding$|_token|_tokens|_embed\.(\d\.)?weight$/.test(name))
    return normal(name.endsWith('positional_embedding') ? 1 : 0.02);
  const bound = 1 / Math.sqrt(inputsOf(name, shape));
  return fill((at) => bound * (2 * random(seed, tensor, at) - 1));
}

/** Inputs of one output: all axes but the first; transposed convolutions have theirs first. */
function inputsOf(name: string, shape: Shape): number {
  return name.includes('upscale_conv') ? shape[0]! : shape.slice(1).reduce((a, b) => a * b, 1);
}

/** Box-Muller. */
function gaussian(seed: number, tensor: number, at: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random(seed, tensor, at, 0)));
  return radius * Math.cos(2 * Math.PI * random(seed, tensor, at, 1));
}
