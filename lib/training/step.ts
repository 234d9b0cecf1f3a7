import { gradients } from '../autodiff/gradients.ts';
import { input, mul, type Value } from '../graph/index.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { float32, type Tensor } from '../runtime/tensor.ts';
import { type FlatEntry, flatParameters, flatSize, type Parameters } from '../sam/parameters.ts';
import { openSession } from './open-session.ts';
import { type OptimiserSettings, type OptimiserState, updateNumbers } from './optimiser.ts';

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

/** Forward and backward in one model: the loss, its figures, and its gradient as one flat vector beside the weights. */
export function stepGraph({
  layout,
  frozen,
  build,
}: Pick<StepDefinition, 'layout' | 'frozen' | 'build'>): Record<string, Value> {
  const weights = input('weights', 'float32', [flatSize(layout)]);
  const { loss, figures } = build(flatParameters(weights, layout, frozen));
  // A passing product keeps an all-zero gradient from being a bare constant.
  return { loss, ...figures, gradient: mul(gradients(loss, [weights])[0]!, 1) };
}

/** What a step says of itself: the loss before the update, the graph's figures, `norm` of the gradient where it is clipped. */
export interface StepFigures extends Readonly<Record<string, number>> {
  readonly loss: number;
  /** 1 where all weights and moments are finite numbers after the update, else 0. */
  readonly isSound: number;
}

/** Runs training steps; weights and moments stay in the session's thread between them. */
export class StepSession {
  private readonly session: Session;
  private readonly definition: StepDefinition;

  private constructor(session: Session, definition: StepDefinition) {
    this.session = session;
    this.definition = definition;
  }

  /** Vectors that the state leaves out start at zero. */
  static async open(
    definition: StepDefinition,
    state: Pick<OptimiserState, 'weights'> & Partial<OptimiserState>,
    options: Omit<SessionOptions, 'fold'>,
  ): Promise<StepSession> {
    const fold = { module: new URL('./optimiser.ts', import.meta.url).href, outputs: ['gradient'] };
    const session = await openSession(stepGraph(definition), { ...options, fold });
    const step = new StepSession(session, definition);
    const size = flatSize(definition.layout);
    const entries = step.parts.map((name) => [name, float32(state[name] ?? new Float32Array(size), [size])]);
    await session.write(Object.fromEntries(entries));
    return step;
  }

  private get parts(): readonly (keyof OptimiserState)[] {
    return ['weights', 'first', 'second', ...(this.definition.accumulates ? (['sum'] as const) : [])];
  }

  /**
   * Makes update number `step` (from 1) and gives the figures of the batch before it. Where gradients accumulate, `passes`
   * says of how many passes this one is the last; 0 only adds to them.
   */
  async step(step: number, learningRate: number, feeds: Record<string, Tensor>, passes = 1): Promise<StepFigures> {
    const numbers = updateNumbers(step, learningRate, this.definition.optimiser, passes);
    const outputs = await this.session.run(feeds, { ...numbers });
    const figures = Object.entries(outputs).map(([name, tensor]) => [name, Number(tensor.data[0])]);
    return Object.fromEntries(figures) as StepFigures;
  }

  /** A copy of weights and moments: with the step number, all that a resumed run needs. */
  async state(): Promise<OptimiserState> {
    const read = await this.session.read(this.parts);
    return Object.fromEntries(this.parts.map((name) => [name, read[name]!.data])) as unknown as OptimiserState;
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
