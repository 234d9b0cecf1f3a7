import { chartSvg } from './chart-svg.ts';
import type { Html } from './html.ts';
import type { OracleEvaluation, ReportData, ScoredSlice, Scores, SlicePick } from './report-data.ts';

const INK = 'var(--ink-2)';
const RULE = 'var(--rule)';
const ZERO_SHOT = 'var(--zero-shot)';
const FINE_TUNED = 'var(--fine-tuned)';
const BINS = 20;

interface Series {
  readonly color: string;
  readonly points: readonly (readonly [number, number])[];
  readonly dashed?: boolean;
}

/** Loss on the training and the validation patients, by epoch. */
export function lossChart({ curves, bestEpoch }: ReportData): Html {
  const { epochs } = curves;
  const train = epochs.map(({ epoch, trainLoss }) => [epoch, trainLoss] as const);
  const val = [{ epoch: 0, ...curves.start }, ...epochs].map(({ epoch, valLoss }) => [epoch, valLoss] as const);
  const series = [line({ color: INK, points: train, dashed: true }), line({ color: FINE_TUNED, points: val })];
  const option = { ...epochAxes('Loss', epochs), series: [...series, bestEpochMark(bestEpoch)] };
  return chartSvg(option, 'loss', 'Training and validation loss by epoch');
}

/** Dice on the validation patients, by epoch. */
export function diceChart({ curves, bestEpoch }: ReportData): Html {
  const scored = [{ epoch: 0, ...curves.start }, ...curves.epochs];
  const points = scored.map(({ epoch, valDice }) => [epoch, valDice] as const);
  const option = {
    ...epochAxes('Dice', curves.epochs),
    yAxis: { ...axis('Dice'), ...tenthsRound(points.map(([, dice]) => dice)) },
    series: [line({ color: FINE_TUNED, points }), bestEpochMark(bestEpoch)],
  };
  return chartSvg(option, 'dice', 'Validation Dice by epoch');
}

/** How many slices reach which Dice, in steps of 0.05. */
export function histogramChart(evaluation: OracleEvaluation): Html {
  const slices = evaluation.patients.flatMap((patient) => patient.slices);
  const bars = (scores: readonly Scores[], color: string): object => ({
    type: 'bar',
    silent: true,
    barWidth: 8,
    barGap: 0,
    itemStyle: { color },
    data: diceCounts(scores).map((n, bin) => [(bin + 0.5) / BINS, n]),
  });
  const series = [
    bars(
      slices.map((slice) => slice.zeroShot),
      ZERO_SHOT,
    ),
    bars(
      slices.map((slice) => slice.fineTuned),
      FINE_TUNED,
    ),
  ];
  const option = { xAxis: { ...axis('Dice of a slice'), min: 0, max: 1 }, yAxis: wholeAxis('Slices'), series };
  return chartSvg(option, 'histogram', 'Number of test slices by Dice, zero-shot and fine-tuned');
}

/** Dice by position in the scan, one line for each patient and plane; the slices shown as pictures are marked. */
export function positionChart(evaluation: OracleEvaluation, picks: readonly SlicePick[]): Html {
  const lines = (of: 'zeroShot' | 'fineTuned', color: string): object[] =>
    evaluation.patients.flatMap(byPlane).map((slices) => {
      const points = slices.map((slice) => [slice.index, slice[of].dice] as const).sort((a, b) => a[0] - b[0]);
      return line({ color, points, dashed: of === 'zeroShot' });
    });
  const marks = picks.map(({ rank, index, fineTuned }) => ({
    coord: [index, fineTuned.dice],
    label: { formatter: rank, position: rank === 'best' ? 'top' : 'bottom' },
  }));
  const markPoint = {
    symbol: 'circle',
    symbolSize: 9,
    silent: true,
    itemStyle: { color: 'var(--paper)', borderColor: FINE_TUNED, borderWidth: 2 },
    label: { color: 'var(--ink)', textBorderColor: 'var(--paper)', textBorderWidth: 3, distance: 6 },
    data: marks,
  };
  const option = {
    xAxis: { ...axis('Slice'), min: 'dataMin', max: 'dataMax', minInterval: 1 },
    yAxis: { ...axis('Dice'), min: 0, max: 1 },
    series: [
      ...lines('zeroShot', ZERO_SHOT),
      ...lines('fineTuned', FINE_TUNED),
      { type: 'line', data: [], silent: true, markPoint },
    ],
  };
  return chartSvg(option, 'position', 'Dice of each test slice by its position, zero-shot and fine-tuned');
}

const byPlane = ({ slices }: OracleEvaluation['patients'][number]): ScoredSlice[][] =>
  [...new Set(slices.map(({ axis }) => axis))].map((axis) => slices.filter((slice) => slice.axis === axis));

/** Counts in bins [0, 0.05), ..., [0.95, 1]. */
export function diceCounts(scores: readonly Scores[]): number[] {
  const counts = new Array<number>(BINS).fill(0);
  // The small addend puts 0.15, stored a little below, where it is read.
  for (const { dice } of scores) counts[Math.min(BINS - 1, Math.floor(dice * BINS + 1e-9))]! += 1;
  return counts;
}

function line({ color, points, dashed }: Series): object {
  return {
    type: 'line',
    silent: true,
    data: points,
    showSymbol: points.length <= 30,
    symbol: 'circle',
    symbolSize: 5,
    itemStyle: { color },
    lineStyle: { color, width: 2, type: dashed ? [5, 4] : 'solid' },
  };
}

function bestEpochMark(epoch: number): object {
  const markLine = {
    silent: true,
    symbol: 'none',
    lineStyle: { color: INK, type: [2, 3], width: 1 },
    label: { formatter: `best: ${epoch}`, color: 'var(--ink)', position: 'end', distance: 6 },
    data: [{ xAxis: epoch }],
  };
  return { type: 'line', data: [], silent: true, markLine };
}

function epochAxes(name: string, epochs: ReportData['curves']['epochs']): object {
  // Epoch 0 is the model as it came.
  return {
    xAxis: { ...axis('Epoch'), min: 0, max: epochs.at(-1)?.epoch ?? 1, minInterval: 1 },
    yAxis: { ...axis(name), min: 0 },
  };
}

/** The whole tenths that hold all values: differences show, and a curve that stands still is not blown up. */
function tenthsRound(values: readonly number[]): { min: number; max: number } {
  const min = Math.max(0, Math.floor(Math.min(...values) * 10) / 10);
  return { min, max: Math.max(min + 0.1, Math.ceil(Math.max(...values) * 10) / 10) };
}

function wholeAxis(name: string): object {
  return { ...axis(name), minInterval: 1 };
}

function axis(name: string): object {
  return {
    type: 'value',
    name,
    nameLocation: 'middle',
    nameGap: 32,
    nameTextStyle: { color: INK },
    axisLabel: { color: INK, hideOverlap: true },
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: RULE } },
  };
}
