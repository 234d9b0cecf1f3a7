import { add, div, input, minimum, mul, reshape, scalar, slice, sqrt, sub, type Value } from '../graph/index.ts';
import { squaredNorm } from './losses.ts';

export interface OptimiserSettings {
  readonly kind: 'adam' | 'adamw';
  readonly weightDecay: number;
  /** Largest global gradient norm; 0 turns clipping off. */
  readonly clipNorm: number;
}

/** PyTorch's defaults, which every published recipe for SAM leaves alone. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** What changes from step to step, computed in float64 outside the graph: see `optimiserStep`. */
export function stepScalars(step: number, learningRate: number, { weightDecay }: OptimiserSettings): Float32Array {
  const correction1 = (1 - BETA1 ** step) / (1 - BETA1);
  const correction2 = (1 - BETA2 ** step) / (1 - BETA2);
  const perStep = correction1 / learningRate;
  return Float32Array.of(perStep / Math.sqrt(correction2), perStep * EPSILON, 1 - learningRate * weightDecay);
}

export interface OptimiserState {
  readonly weights: Value;
  /** Σ β₁ᵏ g: Adam's first moment without its factor 1 - β₁, which saves a pass over all parameters. */
  readonly first: Value;
  /** Σ β₂ᵏ g²: Adam's second moment without its factor 1 - β₂. */
  readonly second: Value;
}

/**
 * One step of Adam or AdamW (torch.optim) on flat vectors [P], with clip_grad_norm_ before it. Adam's weight decay is
 * the L2 term of the original; AdamW's is decoupled. With a and b for the bias corrections and the learning rate,
 * lr m̂ / (√v̂ + ε) = first / (a √second + b): the graph input `scalars` [3] is a, b and AdamW's shrinking factor.
 * Each line below is a pass over the memory of all parameters, so there are as few as can be.
 */
export function optimiserStep(
  state: OptimiserState,
  gradient: Value,
  settings: OptimiserSettings,
): OptimiserState & { norm?: Value } {
  const scalars = input('scalars', 'float32', [3]);
  const [a, b, shrink] = [0, 1, 2].map((i) => reshape(slice(scalars, 0, i, i + 1), [])) as [Value, Value, Value];
  const norm = settings.clipNorm > 0 ? sqrt(squaredNorm(gradient)) : undefined;
  let g = norm ? mul(gradient, minimum(div(scalar(settings.clipNorm), add(norm, 1e-6)), 1)) : gradient;
  let weights = state.weights;
  if (settings.weightDecay > 0) {
    if (settings.kind === 'adam') g = add(g, mul(weights, settings.weightDecay));
    else weights = mul(weights, shrink);
  }
  const first = add(mul(state.first, BETA1), g);
  const second = add(mul(state.second, BETA2), mul(g, g));
  const update = div(first, add(mul(sqrt(second), a), b));
  return { weights: sub(weights, update), first, second, ...(norm && { norm }) };
}
