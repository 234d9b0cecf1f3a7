import type { PostProcess, VolumeScores } from './report-data.ts';

/** How a metric is written. */
export interface Metric {
  readonly label: string;
  readonly digits: number;
  /** Whether a single value says a direction. */
  readonly signed?: boolean;
  /** Null where it is not defined. */
  readonly read: (scores: VolumeScores) => number | null;
}

const METRICS: Readonly<Record<string, Metric>> = {
  dice: { label: 'Dice', digits: 3, read: ({ dice }) => dice },
  iou: { label: 'IoU', digits: 3, read: ({ iou }) => iou },
  precision: { label: 'Precision', digits: 3, read: ({ precision }) => precision },
  recall: { label: 'Recall', digits: 3, read: ({ recall }) => recall },
  volumeErrorPercent: {
    label: 'Volume error, %',
    digits: 1,
    signed: true,
    read: ({ volumeErrorPercent }) => volumeErrorPercent,
  },
  hdMm: { label: 'HD, mm', digits: 1, read: ({ hdMm }) => hdMm },
  hd95Mm: { label: 'HD95, mm', digits: 2, read: ({ hd95Mm }) => hd95Mm },
  assdMm: { label: 'ASSD, mm', digits: 2, read: ({ assdMm }) => assdMm },
};

/** Every metric in the order of the tables, by the name that comparisons have. */
export function metricsOf(tolerancesMm: readonly number[]): ReadonlyMap<string, Metric> {
  const nsd = tolerancesMm.map((mm, at): [string, Metric] => [
    `nsd@${mm}mm`,
    { label: `NSD at ${mm} mm`, digits: 3, read: ({ nsd }) => nsd?.[at] ?? null },
  ]);
  return new Map([...Object.entries(METRICS), ...nsd]);
}

/** A rule in words, e.g. `holes filled, components below 10 mm³ dropped`. */
export function postProcessText({ fillHoles, minComponentMm3, largestComponent }: PostProcess): string {
  const steps = [
    fillHoles && 'holes filled',
    minComponentMm3 > 0 && `components below ${minComponentMm3} mm³ dropped`,
    largestComponent && 'largest component kept',
  ].filter((step) => step !== false);
  return steps.length > 0 ? steps.join(', ') : 'nothing done';
}
