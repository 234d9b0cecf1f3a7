import { input, sizeOf } from '../../lib/graph/index.ts';
import { emitOnnx } from '../../lib/onnx/emit.ts';
import { Session } from '../../lib/runtime/session.ts';
import { float32 } from '../../lib/runtime/tensor.ts';
import { type OptimiserSettings, optimiserStep, stepScalars } from '../../lib/training/optimiser.ts';
import { formula } from '../formula.ts';
import { secondsOf } from '../side-by-side.ts';
import { compare, type EngineRow, THREADS } from './bench.ts';

const ADAM: OptimiserSettings = { kind: 'adam', weightDecay: 0, clipNorm: 0 };
const LEARNING_RATE = 1e-4;

/** The update alone, on as many values as the mask decoder has; all vectors stay in the session. */
export const adamRow: EngineRow = {
  name: 'adam',
  measure: async (bench) => {
    const shapes = [...bench.model().shapes].filter(([name]) => name.startsWith('mask_decoder.'));
    const session = await openUpdate(shapes.reduce((total, [, shape]) => total + sizeOf(shape), 0));
    let step = 0;
    const ours = () =>
      secondsOf(() => session.run({ scalars: float32(stepScalars(++step, LEARNING_RATE, ADAM), [3]) }));
    try {
      const row = await compare(
        {
          what: "Adam's update of the decoder alone: torch.optim.Adam / ours",
          ...{ target: 1, stretch: 1.5, repeats: 15 },
          ...{ reference: bench.reference('adam'), ours },
        },
        bench,
      );
      return [row];
    } finally {
      await session.close();
    }
  },
};

async function openUpdate(size: number): Promise<Session> {
  const vector = (name: string) => input(name, 'float32', [size]);
  const state = { weights: vector('weights'), first: vector('first'), second: vector('second') };
  const next = optimiserStep(state, vector('gradient'), ADAM);
  const session = await Session.open(
    emitOnnx({ nextWeights: next.weights, nextFirst: next.first, nextSecond: next.second }),
    { threads: THREADS, carry: { nextWeights: 'weights', nextFirst: 'first', nextSecond: 'second' } },
  );
  await session.write({
    weights: float32(formula('weights', size, 1), [size]),
    first: float32(new Float32Array(size), [size]),
    second: float32(new Float32Array(size), [size]),
    gradient: float32(formula('gradient', size, 1), [size]),
  });
  return session;
}
