import { sizeOf } from '../../lib/graph/index.ts';
import { formula } from '../../lib/sam/formula.ts';
import { type OptimiserSettings, update, updateNumbers } from '../../lib/training/optimiser.ts';
import { secondsOf } from '../side-by-side.ts';
import { compare, type EngineRow } from './bench.ts';

const ADAM: OptimiserSettings = { kind: 'adam', weightDecay: 0, clipNorm: 0 };
const LEARNING_RATE = 1e-4;

/** The update alone, on as many values as the mask decoder has. */
export const adamRow: EngineRow = {
  name: 'adam',
  measure: async (bench) => {
    const shapes = [...bench.model().shapes].filter(([name]) => name.startsWith('mask_decoder.'));
    const size = shapes.reduce((total, [, shape]) => total + sizeOf(shape), 0);
    const [weights, gradient] = ['weights', 'gradient'].map((name) => formula(name, size, 1)) as [
      Float32Array,
      Float32Array,
    ];
    const state = { weights, first: new Float32Array(size), second: new Float32Array(size) };
    let step = 0;
    const ours = () => secondsOf(async () => update(state, gradient, updateNumbers(++step, LEARNING_RATE, ADAM)));
    const row = await compare(
      {
        what: "Adam's update of the decoder alone: torch.optim.Adam / ours",
        ...{ target: 1, stretch: 1.5, repeats: 15 },
        ...{ reference: bench.reference('adam'), ours },
      },
      bench,
    );
    return [row];
  },
};
