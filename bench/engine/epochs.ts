import type { BenchRow, Spread } from '../row.ts';
import type { EngineRow } from './bench.ts';

const EPOCHS = 20;
/** The ratio of floating-point operations at 20 epochs, in the plain form of the decoder: 20 * 982.2 / (972.1 + 20 * 10.06). */
const OPERATIONS_BOUND = 16.7;

interface Times {
  readonly encode: number;
  readonly step: number;
}

/** How much of the bound is reached: per slice, a loop that encodes in every step against encoding once. */
export function shareOfBound(reference: Times, ours: Times): number {
  const again = EPOCHS * (reference.encode + reference.step);
  const once = ours.encode + EPOCHS * ours.step;
  return again / once / OPERATIONS_BOUND;
}

/** Composed of the rows `step` and `encode` of the same run: nothing of its own is measured. */
export const epochsRow: EngineRow = {
  name: 'epochs',
  measure: async ({ measured }) => {
    const rows = [measured.get('step'), measured.get('encode')];
    const [step, encode] = rows.map((row) => row?.sides);
    const times = (side: 'reference' | 'ours', of: keyof Spread): Times | null =>
      step?.[side] && encode?.[side] ? { step: step[side][of], encode: encode[side][of] } : null;
    const share = (of: keyof Spread) => {
      const [theirs, own] = [times('reference', of), times('ours', of)];
      return theirs && own && shareOfBound(theirs, own);
    };
    const row: BenchRow = {
      what: `${EPOCHS} epochs: encoding in every step (PyTorch) / encoding once (ours), as a share of ${OPERATIONS_BOUND}`,
      ...{ value: share('median'), target: 0.8, stretch: 1, sense: 'at least', unit: 'of the bound' },
      isDisturbed: rows.some((row) => row?.isDisturbed),
      note:
        share('median') === null
          ? 'needs the rows step and encode of the same run, with both sides'
          : `composed of the medians of the rows step and encode of this run; ${share('min')!.toFixed(2)} by the least`,
    };
    return [row];
  },
};
