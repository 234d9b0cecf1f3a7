import { Fault } from '../fault.ts';

/** As `SlicesConfig` of the run configuration. */
export interface SliceFilter {
  readonly minForegroundPixels: number;
  readonly everyNth: number;
  readonly negatives: number;
}

/**
 * Positions of the slices that are kept, by the foreground voxels of each, ascending: every `everyNth` of those with at least
 * `minForegroundPixels`, and of those with none a share, evenly spread from one end of the volume to the other.
 */
export function chooseSlices(counts: Uint32Array, filter: SliceFilter): Int32Array {
  const { minForegroundPixels, everyNth, negatives } = filter;
  const positions = [...counts.keys()];
  const positive = positions.filter((at) => counts[at]! >= minForegroundPixels).filter((_, at) => at % everyNth === 0);
  const empty = positions.filter((at) => counts[at] === 0);
  const wanted = Math.round(negatives * empty.length);
  const negative = Array.from({ length: wanted }, (_, at) => empty[Math.floor(((at + 0.5) * empty.length) / wanted)]!);
  return Int32Array.from([...positive, ...negative]).sort();
}

/** Fault SLICES_EMPTY where no slice of any plane holds enough of the target. */
export function refuseEmpty(counts: readonly Uint32Array[], { minForegroundPixels }: SliceFilter): void {
  const most = counts.flatMap((plane) => [...plane]).reduce((most, count) => Math.max(most, count), 0);
  if (most >= minForegroundPixels) return;
  throw new Fault('SLICES_EMPTY', {
    at: 'slices.minForegroundPixels',
    found: `at most ${most} foreground pixels in a slice`,
    expected: `a slice with at least ${minForegroundPixels}`,
    fix: 'Lower the limit, or leave the patient out',
  });
}
