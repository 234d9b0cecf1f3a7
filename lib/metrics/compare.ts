import { type Draw, meanInterval, resamplesOf } from './bootstrap.ts';
import { signedRank } from './signed-rank.ts';
import { meanOf, medianOf } from './statistics.ts';
import type { VolumeScores } from './volume-scores.ts';

export interface Spread {
  readonly mean: number;
  readonly median: number;
  /** Of the mean, 95 %; null for a single patient. */
  readonly interval: [low: number, high: number] | null;
}

/** One metric of two models over the same patients. */
export interface Comparison {
  /** `dice`, ..., `nsd@2mm`. */
  readonly metric: string;
  readonly better: 'higher' | 'lower';
  /** Patients for whom the metric is defined. */
  readonly patients: number;
  readonly before: Spread;
  readonly after: Spread;
  /** Of `after` less `before`, patient by patient. */
  readonly change: Spread;
  /** Patients whose score improved, and whose score got worse. */
  readonly improved: number;
  readonly worsened: number;
  /** Two-sided exact Wilcoxon signed-rank; null for a single patient. */
  readonly p: number | null;
}

export interface Pair {
  readonly before: VolumeScores;
  readonly after: VolumeScores;
}

type Read = (scores: VolumeScores) => number | null;

/** What is compared, and which way is better. A volume error counts by its size. */
function metricsOf(tolerancesMm: readonly number[]): readonly (readonly [string, 'higher' | 'lower', Read])[] {
  return [
    ['dice', 'higher', ({ dice }) => dice],
    ['iou', 'higher', ({ iou }) => iou],
    ['precision', 'higher', ({ precision }) => precision],
    ['recall', 'higher', ({ recall }) => recall],
    ['volumeErrorPercent', 'lower', ({ volumeErrorPercent }) => Math.abs(volumeErrorPercent)],
    ['hdMm', 'lower', ({ hdMm }) => hdMm],
    ['hd95Mm', 'lower', ({ hd95Mm }) => hd95Mm],
    ['assdMm', 'lower', ({ assdMm }) => assdMm],
    ...tolerancesMm.map((mm, at) => [`nsd@${mm}mm`, 'higher', ({ nsd }: VolumeScores) => nsd?.[at] ?? null] as const),
  ];
}

/**
 * Compares two models metric by metric over the same patients; each patient counts once. The same resamples serve all metrics,
 * so that their intervals belong together. A metric that no patient has is left out.
 */
export function compareScores(pairs: readonly Pair[], tolerancesMm: readonly number[], draw: Draw): Comparison[] {
  const resamples = new Map<number, Int32Array>();
  const spread = (values: readonly number[]): Spread => {
    const count = values.length;
    const drawn = resamples.get(count) ?? resamplesOf(count, draw);
    resamples.set(count, drawn);
    return { mean: meanOf(values), median: medianOf(values), interval: meanInterval(values, drawn) };
  };
  return metricsOf(tolerancesMm).flatMap(([metric, better, read]) => {
    const defined = pairs
      .map(({ before, after }) => [read(before), read(after)] as const)
      .filter((pair): pair is readonly [number, number] => pair[0] !== null && pair[1] !== null);
    if (defined.length === 0) return [];
    const change = defined.map(([before, after]) => after - before);
    const gains = better === 'higher' ? change : change.map((value) => -value);
    return {
      ...{ metric, better, patients: defined.length },
      before: spread(defined.map(([before]) => before)),
      after: spread(defined.map(([, after]) => after)),
      change: spread(change),
      improved: gains.filter((gain) => gain > 0).length,
      worsened: gains.filter((gain) => gain < 0).length,
      p: defined.length > 1 ? signedRank(change).p : null,
    };
  });
}

/** Below so many pairs no outcome reaches p < 0.05: six pairs of one sign give 0.031, five 0.063. */
const FEWEST_FOR_TEST = 6;
const FEWEST_FOR_INTERVAL = 10;

/** What so few patients cannot say, in a sentence; null where there are enough to let the figures speak. */
export function sampleNote(patients: number): string | null {
  if (patients >= FEWEST_FOR_INTERVAL) return null;
  if (patients === 1) {
    return 'One test patient: no interval and no test can be given, and nothing follows for other patients.';
  }
  if (patients < FEWEST_FOR_TEST) {
    const smallest = 2 ** (1 - patients);
    return (
      `With ${patients} test patients p cannot be smaller than ${smallest}, whatever the scores, so the test can show no ` +
      'difference, and a bootstrap of so few gives intervals that are too narrow.'
    );
  }
  return `With ${patients} test patients the intervals are rough: a bootstrap of so few gives them too narrow.`;
}
