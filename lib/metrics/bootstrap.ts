import { quantile } from './statistics.ts';

/** Resamples of a bootstrap: enough that another seed moves an interval by about a hundredth of its width. */
export const RESAMPLES = 10_000;
/** Share of the resamples that lies inside an interval. */
export const CONFIDENCE = 0.95;

/** A uniform number in [0, 1), a pure function of the counters. */
export type Draw = (resample: number, place: number) => number;

/** Which of `count` cases stand in each resample, drawn with replacement: [RESAMPLES, count]. */
export function resamplesOf(count: number, draw: Draw): Int32Array {
  return Int32Array.from({ length: RESAMPLES * count }, (_, at) =>
    Math.floor(draw(Math.floor(at / count), at % count) * count),
  );
}

/**
 * The percentile bootstrap interval of a mean (Efron 1979): the middle 95 % of the means of resamples. Null for fewer than two
 * values. With few cases it is too narrow; see `sampleNote`.
 */
export function meanInterval(values: readonly number[], resamples: Int32Array): [number, number] | null {
  const count = values.length;
  if (count < 2) return null;
  const means = new Float64Array(RESAMPLES);
  for (let at = 0; at < resamples.length; at += 1) means[Math.floor(at / count)]! += values[resamples[at]!]! / count;
  means.sort();
  return [quantile(means, (1 - CONFIDENCE) / 2), quantile(means, (1 + CONFIDENCE) / 2)];
}
