import { createHash } from 'node:crypto';
import { compareScores, type Pair, sampleNote } from '../../../lib/metrics/compare.ts';
import type { Grid } from '../../../lib/metrics/grid.ts';
import { scoreVolume } from '../../../lib/metrics/volume-scores.ts';
import { pickSlices, pictureOf } from '../../../lib/report/pick-slices.ts';
import type {
  Box,
  ReportData,
  ScoredPatient,
  ScoredSlice,
  ScoredStructure,
  Scores,
  VolumeEvaluation,
} from '../../../lib/report/report-data.ts';

const PATIENT = 'p-3fa94c0d21be';

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A run as a user would see it: one unseen patient, `count` axial slices of a made-up chest, scores that follow the masks. */
export function reportData(options: { size?: number; count?: number } = {}): ReportData {
  const { size = 160, count = 24 } = options;
  const stack = { height: size, width: size, spacingMm: [360 / size, 360 / size] as const, ...chest(size, count) };
  const slices = Array.from({ length: count }, (_, row) => scoredSlice(stack, row));
  const index = slices.map(({ index }) => index);
  const plane = { ...stack, axis: 'axial' as const, index, pixelMm: stack.spacingMm };
  const patient: ScoredPatient = {
    patient: PATIENT,
    slices,
    zeroShot: mean(slices, 'zeroShot'),
    fineTuned: mean(slices, 'fineTuned'),
    structures: [structure(stack, count)],
  };
  const evaluation = {
    ...{ zeroShot: patient.zeroShot, fineTuned: patient.fineTuned, patients: [patient] },
    volumes: volumeEvaluation([patient]),
  };
  return {
    title: 'Lungs in chest CT',
    run: 'lungs-7f21c0',
    target: 'lungs',
    model: 'sam-nano',
    split: { train: ['p-0a1b2c3d4e5f', 'p-1b2c3d4e5f60'], val: ['p-2c3d4e5f6071'], test: [PATIENT] },
    evaluation,
    pictures: pickSlices(evaluation).map((pick) => pictureOf(pick, [plane], stack)),
    infer: [
      {
        patient: PATIENT,
        prompts: 'lungs',
        promptedSlices: count,
        foregroundVoxels: 1_284_113,
        overlap: { dice: 0.871, iou: 0.772 },
        scores: [{ ...patient.structures![0]!.fineTuned, hd95Mm: 12.34 }],
        postProcess: { fillHoles: true, minComponentMm3: 0, largestComponent: false },
        overlapBefore: { dice: 0.866, iou: 0.764 },
      },
      {
        ...{ patient: 'p-9d8c7b6a5f4e', prompts: 'lungs', promptedSlices: 31, foregroundVoxels: 1_020_877 },
        ...{ overlap: null, scores: null, overlapBefore: null },
      },
    ],
    curves: { start: { valLoss: 0.62, valDice: 0.71 }, epochs: Array.from({ length: 20 }, (_, i) => epoch(i + 1)) },
    bestEpoch: 15,
    settings: {
      name: 'chest-lungs',
      source: { kind: 'phantom', patients: 4, seed: 7 },
      dataset: {
        target: 'lungs',
        pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
        labels: [1, 2],
      },
      split: { seed: 7, val: 1, test: 1 },
      model: { checkpoint: 'sam-nano' },
      slices: { axis: 'auto', window: { widthHu: 1500, levelHu: -600 }, minForegroundPixels: 16 },
      prompts: { box: 'component', jitter: 0.1, minComponentPixels: 16, automatic: 'lungs' },
      training: {
        seed: 7,
        epochs: 20,
        batchBoxes: 8,
        optimiser: 'adamw',
        learningRate: 0.0001,
        weightDecay: 0.01,
        schedule: 'cosine',
        clipNorm: 1,
      },
    },
    createdFrom: ['evaluation', 'curves', 'split'].map((name) => ({ name, sha256: digest(name) })),
    weights: artifact('weights', 1_642_000),
    lineage: lineage(),
  };
}

const SETTING = { surface: 'sub-voxel', tolerancesMm: [1, 2, 5] } as const;

/** The whole stack as one volume of slices of 5 mm. */
function structure({ height, width, spacingMm, ...chest }: Stack, count: number): ScoredStructure {
  const grid = { shape: [width, height, count], spacingMm: [...spacingMm, 5] } as unknown as Grid;
  const scored = (mask: Uint8Array) => scoreVolume(mask, chest.masks, grid, SETTING);
  return { zeroShot: scored(chest.zeroShot), fineTuned: scored(chest.fineTuned), postProcessed: null };
}

/** What `evaluate` makes of patients whose structures are scored. */
export function volumeEvaluation(patients: readonly ScoredPatient[]): VolumeEvaluation {
  const pairs = patients.map(({ structures }) => ({
    before: structures![0]!.zeroShot,
    after: structures![0]!.fineTuned,
  }));
  const fineTuning = compareScores(pairs as Pair[], SETTING.tolerancesMm, random);
  return {
    setting: SETTING,
    structures: [{ name: 'lungs' }],
    summaries: [{ structure: 'lungs', fineTuning, postProcessing: null }],
    postProcess: {
      ...{ rule: null, by: 'validation', patients: ['p-2c3d4e5f6071'] },
      tried: [{ rule: { fillHoles: true, minComponentMm3: 0, largestComponent: false }, dice: 0.9312 }],
    },
    note: sampleNote(patients.length),
  };
}

function epoch(epoch: number): ReportData['curves']['epochs'][number] {
  const noise = (random(epoch, 3) - 0.5) * 0.03;
  const valLoss =
    0.16 + 0.7 * Math.exp(-epoch / 4) + noise + Math.max(0, epoch - 15) * 0.006 - (epoch === 15 ? 0.02 : 0);
  return {
    epoch,
    trainLoss: 0.12 + 0.75 * Math.exp(-epoch / 4.5),
    valLoss,
    valDice: 0.95 - 0.32 * Math.exp(-epoch / 5) - noise,
  };
}

function lineage(): ReportData['lineage'] {
  const entry = (stage: string, kind: string, bytes: number, seconds: number, i = 0) => ({
    stage,
    artifact: artifact(`${kind}`, bytes, `${stage}${kind}${i}`),
    seconds,
  });
  return [
    ...[0, 1, 2, 3].map((i) => entry('download', 'patient-files', 5_200_113, 0.08, i)),
    ...[0, 1, 2, 3].map((i) => entry('convert', 'volume', 9_830_400, 0.61, i)),
    ...[0, 1, 2, 3].map((i) => entry('slice', 'slices', 2_457_600, 0.22, i)),
    entry('split', 'split', 1_204, 0.02),
    ...Array.from({ length: 8 }, (_, i) => entry('encode', 'embeddings', 16_777_216, 9.4, i)),
    entry('fine-tune', 'weights', 1_642_000, 83.6),
    entry('fine-tune', 'curves', 3_310, 0),
    entry('evaluate', 'evaluation', 18_022, 6.91),
    entry('infer', 'mask', 88_410, 4.18),
  ];
}

function artifact(kind: string, bytes: number, content = kind): ReportData['lineage'][number]['artifact'] {
  const sha256 = digest(content);
  return { kind, key: `cas/sha256/${sha256}`, sha256, bytes };
}

/** Hash noise in [0, 1): no state, so a pixel does not depend on how many were drawn before. */
function random(...counters: number[]): number {
  let h = 0x9e3779b9;
  for (const counter of counters) {
    h = Math.imul(h ^ counter, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return (h >>> 0) / 2 ** 32;
}

interface Chest {
  pixels: Uint8Array;
  masks: Uint8Array;
  zeroShot: Uint8Array;
  fineTuned: Uint8Array;
}

type Stack = Chest & { height: number; width: number; spacingMm: readonly [number, number] };

/** U8 [count, size, size]: body, ribs, spine, heart and two lungs; a careless zero-shot mask and a good fine-tuned one. */
function chest(size: number, count: number): Chest {
  const total = count * size * size;
  const stack: Chest = {
    pixels: new Uint8Array(total),
    masks: new Uint8Array(total),
    zeroShot: new Uint8Array(total),
    fineTuned: new Uint8Array(total),
  };
  for (let row = 0; row < count; row++) {
    const swell = Math.sin((Math.PI * (row + 1.5)) / (count + 2));
    for (let i = 0; i < size * size; i++) {
      const [x, y] = [((i % size) + 0.5) / size - 0.5, (Math.floor(i / size) + 0.5) / size - 0.5];
      const at = row * size * size + i;
      const lung = lungDepth(x, y, swell);
      const wave = 0.06 * Math.sin(x * 31 + row) * Math.sin(y * 27 - row);
      stack.masks[at] = Number(lung > 0);
      stack.fineTuned[at] = Number(lung + wave * (1.9 - swell) > 0.02);
      stack.zeroShot[at] = Number(lung + wave * 2 + 0.42 - 0.25 * swell > 0 && Math.hypot(x * 1.25, y * 1.6) < 0.46);
      stack.pixels[at] = grey(x, y, lung) + (random(row, i) - 0.5) * 26;
    }
  }
  return stack;
}

/** Positive inside a lung, about 1 in its middle. */
function lungDepth(x: number, y: number, swell: number): number {
  const side = (centre: number): number =>
    1 - Math.hypot((x - centre) / (0.135 * swell), (y + 0.01) / (0.235 * swell)) - 0.12 * Math.sin(y * 19 + centre * 9);
  const heart = 1 - Math.hypot((x - 0.05) / 0.13, (y + 0.09) / 0.12);
  return Math.min(Math.max(side(-0.2), side(0.2)), -heart * 1.5);
}

function grey(x: number, y: number, lung: number): number {
  const body = Math.hypot(x / 0.46, y / 0.36);
  if (body > 1) return 14;
  if (Math.hypot(x / 0.05, (y - 0.24) / 0.06) < 1) return 226;
  const angle = Math.atan2(y / 0.36, x / 0.46);
  if (body > 0.84 && body < 0.9 && Math.sin(angle * 9) > 0.1) return 214;
  if (lung > 0) return 52 + 34 * Number(Math.sin(x * 90) * Math.sin(y * 80 + x * 30) > 0.86);
  return body > 0.93 ? 118 : 152;
}

function scoredSlice(stack: Chest & { height: number; width: number }, row: number): ScoredSlice {
  const { height, width } = stack;
  const cut = (all: Uint8Array): Uint8Array => all.subarray(row * height * width, (row + 1) * height * width);
  const truth = cut(stack.masks);
  const halves = [boxOf(truth, width, 0, width / 2), boxOf(truth, width, width / 2, width)];
  const boxes = halves.filter((box) => box !== null);
  return {
    row,
    axis: 'axial',
    index: 12 + row,
    boxes,
    zeroShot: overlap(cut(stack.zeroShot), truth),
    fineTuned: overlap(cut(stack.fineTuned), truth),
  };
}

/** The box round the foreground in columns [from, to). */
function boxOf(mask: Uint8Array, width: number, from: number, to: number): Box | null {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  mask.forEach((value, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (value === 0 || x < from || x >= to) return;
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
  });
  return x1 > x0 ? [x0, y0, x1, y1] : null;
}

function overlap(a: Uint8Array, b: Uint8Array): Scores {
  let [both, sum] = [0, 0];
  a.forEach((value, i) => {
    both += value & b[i]!;
    sum += value + b[i]!;
  });
  return { dice: (2 * both) / sum, iou: both / (sum - both) };
}

function mean(slices: readonly ScoredSlice[], of: 'zeroShot' | 'fineTuned'): Scores {
  const average = (key: keyof Scores): number => slices.reduce((sum, slice) => sum + slice[of][key], 0) / slices.length;
  return { dice: average('dice'), iou: average('iou') };
}
