import { formula } from '../../lib/sam/formula.ts';
import { preprocess, type SamProcessor } from '../../lib/sam/processor.ts';
import { secondsOf } from '../side-by-side.ts';
import { compare, type EngineRow } from './bench.ts';

const [FROM, TO] = [512, 1024];
const PROCESSOR: SamProcessor = {
  size: TO,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  rescale: 1 / 255,
};

/** A grey slice as model input. Ours writes into memory that is there; NumPy's arrays are made anew, as its code is written. */
export const resizeRow: EngineRow = {
  name: 'resize',
  measure: async (bench) => {
    const pixels = Uint8Array.from(formula('slice', FROM * FROM, 1), (x) => 127.5 * (x + 1));
    const input = new Float32Array(3 * TO * TO);
    const ours = () => secondsOf(async () => preprocess(pixels, FROM, FROM, PROCESSOR, input));
    const row = await compare(
      {
        what: 'resize 512 to 1024 and normalise, one thread: Pillow and NumPy / ours',
        ...{ target: 1, stretch: 2, repeats: 41 },
        ...{ reference: bench.reference('resize'), ours },
      },
      bench,
    );
    return [row];
  },
};
