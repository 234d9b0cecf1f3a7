import Table from 'cli-table3';
import pc from 'picocolors';
import type { SplitSetting } from '../lib/dataset/split.ts';
import { embeddingBytes, parametersOf } from '../lib/plan/cost.ts';
import type { CountedParts, CountedPatient } from '../lib/plan/data.ts';
import type { Plan } from '../lib/plan/plan.ts';
import { tableStyle } from './table-style.ts';

/** What stands above a plan: which run, of which model, on what. */
export interface PlanHead {
  readonly run: string;
  readonly checkpoint: string;
  readonly device: string;
  readonly threads: number;
  readonly processor: string;
  readonly epochs: number;
  readonly patience: number;
  readonly folds: SplitSetting['folds'];
  /** Whether a box proposer is trained. */
  readonly proposes: boolean;
}

/** A plan for people. */
export function renderPlan(head: PlanHead, plan: Plan, columns?: number): string {
  const { run, checkpoint, device, threads, processor } = head;
  return [
    `${pc.bold(run)}  ${checkpoint} on ${device}, ${plural(threads, 'thread')} (${processor})`,
    ...(plan.parts ? [splitTable(plan.parts)] : []),
    costTable(head, plan, columns),
    ...notesOf(head, plan),
  ].join('\n');
}

/** The same as one object; units are in the keys, null is what cannot be known here and now. */
export function planJson(head: PlanHead, plan: Plan): object {
  const { run, checkpoint, ...machine } = head;
  const { parts, amount, measured, seconds: of, memory, disk, peakBytes } = plan;
  return {
    run,
    folds: foldCount(head, plan),
    device: { name: machine.device, threads: machine.threads, processor: machine.processor },
    checkpoint: { name: checkpoint, ...checkpointJson(plan) },
    split: parts && mapValues(parts, partJson),
    encodeSlices: amount?.encodedSlices ?? null,
    encodeSecondsPerSlice: seconds(measured?.encodeSecondsPerSlice),
    encodeSeconds: seconds(of?.encode),
    epochs: machine.epochs,
    trainStepsPerEpoch: amount?.stepsPerEpoch ?? null,
    trainSteps: amount?.steps ?? null,
    trainSecondsPerStep: seconds(measured?.trainSecondsPerStep),
    trainSeconds: seconds(of?.train),
    proposerSteps: amount?.proposer?.steps ?? null,
    proposerSeconds: amount?.proposer ? seconds(of?.propose) : null,
    evaluateBoxes: amount?.scoredBoxes ?? null,
    decodeSecondsPerBox: seconds(measured?.decodeSecondsPerBox),
    evaluateSeconds: seconds(of?.evaluate),
    inferSlicesAtMost: amount?.inferSlices ?? null,
    inferSecondsAtMost: seconds(of?.infer),
    embeddingsGiB: disk && toGiB(disk.embeddings),
    memoryGiB: memory && toGiB(total(memory)),
    memoryPartsGiB: memory && mapValues(memory, toGiB),
    measuringPeakGiB: peakBytes === null ? null : toGiB(peakBytes),
    diskGiB: disk && toGiB(total(disk)),
    diskPartsGiB: disk && mapValues(disk, toGiB),
    notes: notesOf(head, plan),
  };
}

function checkpointJson({ checkpoint, trainedParameters }: Plan): object {
  if (!checkpoint) return { inputPixels: null, embeddingShape: null, parameters: null, trainedParametersAtMost: null };
  const { inputSize, embeddingShape } = checkpoint;
  const parameters = parametersOf(checkpoint);
  return { inputPixels: inputSize, embeddingShape, parameters, trainedParametersAtMost: trainedParameters };
}

const partJson = (patients: readonly CountedPatient[]): object => ({
  patients: patients.map(({ id }) => id),
  ...countsOf(patients),
});

const countsOf = (patients: readonly CountedPatient[]): { slices: number; boxes: number } => ({
  slices: sum(patients.map(({ slices }) => slices)),
  boxes: sum(patients.flatMap(({ boxes }) => boxes)),
});

function splitTable(parts: CountedParts): string {
  const table = new Table({ head: ['split', 'patients', 'slices', 'boxes', 'ids'], ...tableStyle() });
  for (const part of ['train', 'val', 'test'] as const) {
    const { slices, boxes } = countsOf(parts[part]);
    table.push([part, parts[part].length, slices, boxes, listed(parts[part].map(({ id }) => id))]);
  }
  return table.toString();
}

/** The first names of a list, as many as a line holds. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 6).join(', ');
  return names.length > 6 ? `${shown} and ${names.length - 6} more` : shown;
}

/** Columns of a terminal that the borders and the first two columns of the table take. */
const BESIDE = 28;

function costTable(
  head: PlanHead,
  { amount, measured, seconds, memory, disk, checkpoint }: Plan,
  columns = Number.POSITIVE_INFINITY,
): string {
  const { epochs } = head;
  const colWidths = [12, 12, Math.min(78, Math.max(20, columns - BESIDE))];
  const table = new Table({ head: ['', 'estimate', 'of'], colWidths, wordWrap: true, ...tableStyle() });
  const time = (value: number | undefined): string => (value === undefined ? 'unknown' : duration(value));
  const perSlice = measured ? `${duration(measured.encodeSecondsPerSlice)} a slice` : '';
  const perStep = measured ? `${duration(measured.trainSecondsPerStep)} a step` : '';
  const steps = amount ? `${plural(epochs, 'epoch')} of ${plural(amount.stepsPerEpoch, 'step')}` : '';
  table.push(['encode', time(seconds?.encode), joined(amount && plural(amount.encodedSlices, 'slice'), perSlice)]);
  table.push(['train', time(seconds?.train), joined(steps, perStep, steps && 'validation after each epoch')]);
  if (head.proposes) {
    const each = measured?.proposer ? `${duration(measured.proposer.perStep)} a step` : '';
    table.push([
      'proposer',
      time(seconds?.propose),
      joined(amount?.proposer ? plural(amount.proposer.steps, 'step') : null, each),
    ]);
  }
  const perBox = measured ? `${duration(measured.decodeSecondsPerBox)} a mask` : '';
  table.push(['evaluate', time(seconds?.evaluate), joined(amount && plural(amount.scoredBoxes, 'mask'), perBox)]);
  table.push([
    'infer',
    time(seconds?.infer),
    joined(amount && `at most ${plural(amount.inferSlices, 'slice')} of the unseen volumes`),
  ]);
  if (checkpoint) {
    const each = `${checkpoint.embeddingShape.join(' x ')}, ${size(embeddingBytes(checkpoint))} a slice in half precision`;
    table.push(['embeddings', disk ? size(disk.embeddings) : 'unknown', each]);
  }
  table.push(['memory', memory ? size(total(memory)) : 'unknown', memory ? sizes(memory) : '']);
  table.push(['store', disk ? size(total(disk)) : 'unknown', disk ? sizes(disk) : '']);
  return table.toString();
}

/** Null for one run, and for leave-one-out of patients that are not here. */
function foldCount({ folds }: PlanHead, { parts }: Plan): number | null {
  if (folds === 'leave-one-out') return parts && sum(Object.values(parts).map(({ length }) => length));
  return folds ?? null;
}

/** More than a disk has room for without a thought. */
const MANY_CHECKPOINTS_BYTES = 10 * 2 ** 30;

/** What the numbers rest on, and what is unknown, in plain sentences. */
function notesOf(head: PlanHead, plan: Plan): string[] {
  const { epochs, patience } = head;
  const { parts, isMadeUp, measured, notMeasured, encoderLearns, peakBytes, memory, disk } = plan;
  const lines: string[] = [];
  if (head.folds !== undefined) {
    const folds = foldCount(head, plan);
    const which =
      folds === null ? 'one fold for each patient, of which this is the first' : `the first of ${folds} folds`;
    lines.push(`A cross-validation, ${which}: encoding is done once for all, training and what follows once for each.`);
  }
  if (!parts) lines.push('The data are not here, and a plan downloads nothing: what depends on them is unknown.');
  for (const part of ['train', 'val'] as const) {
    if (parts && countsOf(parts[part]).boxes === 0) {
      lines.push(`No box in ${part}: the run would end with TRAINING_NO_SAMPLES. Lower prompts.minComponentPixels.`);
    }
  }
  if (notMeasured) lines.push(`Times are unknown: ${notMeasured}.`);
  if (measured) {
    lines.push(
      'Times are those of made-up slices and steps, measured here and now; a busy machine is slower. Reading, scoring and the report are not in them.',
    );
  }
  if (measured && isMadeUp) {
    lines.push('The checkpoint is not on this machine: what was measured has its shape and made-up weights.');
  }
  if (patience > 0 && patience < epochs) {
    lines.push(`Training ends sooner after ${plural(patience, 'epoch')} without a better validation loss.`);
  }
  if (encoderLearns) {
    lines.push(
      'training.train changes the encoder: embeddings of training and validation slices cannot be kept, and every step runs it forward and backward. The training time is an estimate, by three encodings for each image of a step and one in validation.',
    );
  }
  if (memory)
    lines.push(
      'Memory is what training holds, of embeddings 1 GiB at most (SAMFLOW_EMBEDDINGS_MEMORY); what the model computes with comes on top.',
    );
  if (peakBytes !== null) lines.push(`Measuring took this process to ${size(peakBytes)}.`);
  if (disk) lines.push('The store keeps everything; what an earlier run has left there is not made again.');
  if (disk && disk.checkpoints > MANY_CHECKPOINTS_BYTES) {
    lines.push(`${size(disk.checkpoints)} of it are checkpoints: raise training.checkpointEverySteps to write fewer.`);
  }
  return lines;
}

const joined = (...texts: readonly (string | null)[]): string => texts.filter((text) => text).join(', ');

const sizes = (parts: object): string =>
  Object.entries(parts)
    .map(([name, bytes]) => `${name} ${size(bytes)}`)
    .join(', ');

/** `0.42 s`, `12 s`, `4 min`, `2 h 03 min`, `3.5 days`: as exact as an estimate deserves. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds < 0.095 ? seconds.toPrecision(2) : seconds.toFixed(2)} s`;
  if (seconds < 119.5) return `${seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${(minutes / 60 / 24).toFixed(1)} days`;
}

/** `3.2 MiB`, `1.46 GiB`. */
export function size(bytes: number): string {
  const mib = bytes / 2 ** 20;
  if (mib < 9.95) return `${mib < 0.095 ? mib.toPrecision(1) : mib.toFixed(1)} MiB`;
  return mib < 1023.5 ? `${mib.toFixed(0)} MiB` : `${(mib / 1024).toPrecision(3)} GiB`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Six digits are more than any of it is worth. */
const rounded = (value: number): number => Number(value.toPrecision(6));

const toGiB = (bytes: number): number => rounded(bytes / 2 ** 30);

const seconds = (value: number | undefined): number | null => (value === undefined ? null : rounded(value));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const total = (parts: object): number => sum(Object.values(parts));

const mapValues = <T>(record: object, to: (value: T) => unknown): object =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value)]));
