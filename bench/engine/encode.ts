import { formula } from '../../lib/sam/formula.ts';
import { ImageEncoder } from '../../lib/training/encoder.ts';
import { secondsOf } from '../side-by-side.ts';
import { compare, type EngineRow } from './bench.ts';

export const SIDE = 1024;

/** One slice [1, 1024, 1024] of grey values. */
export const greySlice = (): Uint8Array => Uint8Array.from(formula('slice', SIDE * SIDE, 1), (x) => 127.5 * (x + 1));

/** Ours goes from grey values to a half-precision embedding, as a run does; PyTorch starts from normalised values. */
export const encodeRow: EngineRow = {
  name: 'encode',
  measure: async (bench) => {
    const encoder = await ImageEncoder.open(bench.model(), { ...bench.session, precision: 'float32' });
    const pixels = greySlice();
    const ours = () => secondsOf(() => encoder.encode(pixels, 1, SIDE, SIDE));
    try {
      const row = await compare(
        {
          what: 'ViT-B encode at 1024, float32: PyTorch sdpa / ours',
          ...{ target: 1.2, stretch: 1.8, repeats: 7 },
          ...{ reference: bench.reference('encode'), ours },
        },
        bench,
      );
      return [row];
    } finally {
      await encoder.close();
    }
  },
};
