import { gradients } from '../autodiff/gradients.ts';
import { add, greater, input, mul, reshape, scalar, slice, sub, type Value, where } from '../graph/index.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { float32, type Tensor } from '../runtime/tensor.ts';
import { type FlatEntry, flatParameters, flatSize, type Parameters } from '../sam/parameters.ts';
import { openSession } from './open-session.ts';
import { type OptimiserSettings, type OptimiserState, optimiserStep, stepScalars } from './optimiser.ts';

/** What a training graph is made of: a loss over parameters, and figures to report beside it. */
export interface LossGraph {
  readonly loss: Value;
  readonly figures?: Readonly<Record<string, Value>>;
}

export interface StepDefinition {
  /** Parameters that are trained, in their flat order. */
  readonly layout: readonly FlatEntry[];
  /** Parameters that are not. */
  readonly frozen: Parameters;
  readonly build: (parameters: Parameters) => LossGraph;
  readonly optimiser: OptimiserSettings;
  /** Gradients of several passes are averaged into one update. */
  readonly accumulates?: boolean;
}

/** Weights and moments as flat vectors: all that a resumed run needs beside the step number. */
export interface TrainingState {
  readonly weights: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Gradients of passes since the last update, where they accumulate. */
  readonly sum?: Float32Array;
}

const CARRY = { nextWeights: 'weights', nextFirst: 'first', nextSecond: 'second' } as const;
const CARRY_SUM = { ...CARRY, nextSum: 'sum' } as const;

/** The graph of one step: forward, backward, clipping and update in one model. */
export function stepGraph({
  layout,
  frozen,
  build,
  optimiser,
  accumulates = false,
}: StepDefinition): Record<string, Value> {
  const shape = [flatSize(layout)];
  const vector = (name: string) => input(name, 'float32', shape);
  const state = { weights: vector('weights'), first: vector('first'), second: vector('second') };
  const { loss, figures } = build(flatParameters(state.weights, layout, frozen));
  const [gradient] = gradients(loss, [state.weights]);
  const { next, norm } = accumulates
    ? accumulatingUpdate(state, gradient!, vector('sum'), optimiser)
    : plainUpdate(state, gradient!, optimiser);
  return { loss, ...(norm && { norm }), ...figures, ...next };
}

interface Updated {
  readonly next: Readonly<Record<string, Value>>;
  readonly norm: Value | undefined;
}

function plainUpdate(state: OptimiserState, gradient: Value, optimiser: OptimiserSettings): Updated {
  const { weights, first, second, norm } = optimiserStep(state, gradient, optimiser);
  return { next: { nextWeights: weights, nextFirst: first, nextSecond: second }, norm };
}

/**
 * Adds the gradient to a sum; a pass that ends an update uses the mean and starts the sum again. The graph input `pass`
 * [2] holds 1 / (passes of the update) and 1 where the pass ends it, else zeros.
 */
function accumulatingUpdate(state: OptimiserState, gradient: Value, sum: Value, optimiser: OptimiserSettings): Updated {
  const pass = input('pass', 'float32', [2]);
  const [share, ends] = [0, 1].map((i) => reshape(slice(pass, 0, i, i + 1), [])) as [Value, Value];
  const total = add(sum, gradient);
  const updated = optimiserStep(state, mul(total, share), optimiser);
  const chosen = (part: 'weights' | 'first' | 'second') => where(greater(ends, 0.5), updated[part], state[part]);
  return {
    next: {
      nextWeights: chosen('weights'),
      nextFirst: chosen('first'),
      nextSecond: chosen('second'),
      nextSum: mul(total, sub(scalar(1), ends)),
    },
    norm: updated.norm,
  };
}

/** The gradient of the loss as one flat vector, without an update: for checks. */
export function gradientGraph({
  layout,
  frozen,
  build,
}: Pick<StepDefinition, 'layout' | 'frozen' | 'build'>): Record<string, Value> {
  const weights = input('weights', 'float32', [flatSize(layout)]);
  const { loss } = build(flatParameters(weights, layout, frozen));
  // A passing product keeps an all-zero gradient from being a bare constant.
  return { loss, gradient: mul(gradients(loss, [weights])[0]!, 1) };
}

/** Runs training steps; weights and moments stay in the session between them. */
export class StepSession {
  private readonly session: Session;
  private readonly definition: StepDefinition;

  private constructor(session: Session, definition: StepDefinition) {
    this.session = session;
    this.definition = definition;
  }

  static async open(
    definition: StepDefinition,
    state: TrainingState,
    options: Omit<SessionOptions, 'carry'>,
  ): Promise<StepSession> {
    const carry = definition.accumulates ? CARRY_SUM : CARRY;
    const session = await openSession(stepGraph(definition), { ...options, carry });
    const step = new StepSession(session, definition);
    await step.restore(state);
    return step;
  }

  private get parts(): readonly (keyof TrainingState)[] {
    return Object.values(this.definition.accumulates ? CARRY_SUM : CARRY);
  }

  async restore(state: TrainingState): Promise<void> {
    const size = flatSize(this.definition.layout);
    const entries = this.parts.map((name) => [name, float32(state[name] ?? new Float32Array(size), [size])]);
    await this.session.write(Object.fromEntries(entries));
  }

  /**
   * Makes update number `step` (from 1) and gives the figures of the batch before it. Where gradients accumulate, `passes`
   * says of how many passes this one is the last; 0 only adds to them.
   */
  async step(
    step: number,
    learningRate: number,
    feeds: Record<string, Tensor>,
    passes = 1,
  ): Promise<Record<string, number>> {
    const { optimiser, accumulates } = this.definition;
    const outputs = await this.session.run({
      ...feeds,
      scalars: float32(stepScalars(step, learningRate, optimiser), [3]),
      ...(accumulates && { pass: float32(Float32Array.of(1 / Math.max(1, passes), Math.min(1, passes)), [2]) }),
    });
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, Number(tensor.data[0])]));
  }

  async state(): Promise<TrainingState> {
    const read = await this.session.read(this.parts);
    return Object.fromEntries(this.parts.map((name) => [name, read[name]!.data])) as unknown as TrainingState;
  }

  async weights(): Promise<Float32Array> {
    return (await this.session.read(['weights'])).weights!.data as Float32Array;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

/** Packs tensors into one flat vector by a layout, and cuts them out again. */
export function packFlat(layout: readonly FlatEntry[], tensors: ReadonlyMap<string, Float32Array>): Float32Array {
  const flat = new Float32Array(flatSize(layout));
  for (const { name, offset } of layout) flat.set(tensors.get(name)!, offset);
  return flat;
}

export function unpackFlat(layout: readonly FlatEntry[], flat: Float32Array): Map<string, Float32Array> {
  return new Map(layout.map(({ name, offset, size }) => [name, flat.subarray(offset, offset + size)]));
}
