import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cleanedDices,
  encodePredictions,
  score,
  summarise,
  volumeOverlaps,
  type Which,
} from '../../activities/scoring.ts';
import { EvaluationConfig } from '../../contracts/config.ts';
import { type SliceStack, slicesOf } from '../../lib/dataset/slices.ts';
import { encodeSlices } from '../../lib/dataset/slices-record.ts';
import { encodeVolume, type PatientVolume } from '../../lib/dataset/volume-record.ts';
import { POST_PROCESSES } from '../../lib/volume/clean-mask.ts';
import { oneStack, slicing, volumeOf } from '../helpers/volumes.ts';

const SETTING = EvaluationConfig.parse({});
const STRUCTURES = [{ name: 'target', label: null }];
const NONE = { structures: STRUCTURES, setting: SETTING, postProcess: null };

const box = (x: number, y: number, z: number) => x >= 2 && x < 7 && y >= 2 && y < 7 && z >= 2 && z < 8;
/** A block over slices 2 to 7, and a speck on slice 9 that is too small to be sliced. 1 x 2 x 3 mm. */
const volume = volumeOf(
  [12, 10, 11],
  (x) => x,
  (x, y, z) => box(x, y, z) || (x === 1 && y === 1 && z === 9),
);
const window = { lowPercentile: 0, highPercentile: 100 };
const stack = oneStack(volume, slicing({ window, minForegroundPixels: 4 }));

type Change = (mask: Uint8Array, row: number) => Uint8Array;
const same: Change = (mask) => mask;
const nothing: Change = (mask) => new Uint8Array(mask.length);
/** One pixel of the slice more, away from the block. */
const speckled: Change = (mask) => Uint8Array.from(mask, (value, pixel) => (pixel === 0 ? 1 : value));

function predictions(changes: Partial<Record<Which, Change>>, from: SliceStack = stack): Uint8Array {
  const labels = Object.entries(changes).map(([which, change]) => {
    const slices = slicesOf([from]).map(({ mask, row }) => change(mask.slice(), row));
    return [which as Which, slices] as const;
  });
  return encodePredictions(new Map(labels), [from]);
}

const scored = (changes: Partial<Record<Which, Change>>, more: Partial<Parameters<typeof score>[0]> = {}) =>
  score({
    volume: encodeVolume(volume),
    slices: encodeSlices([stack]),
    predictions: predictions(changes),
    ...NONE,
    ...more,
  });

test('the whole volume is scored: a slice without a prompt counts as empty (D4)', () => {
  const { fineTuned, structures } = scored({ zeroShot: nothing, fineTuned: same });
  // 150 voxels of the block were found, the speck of one voxel was not.
  assert.deepEqual([...stack.index], [2, 3, 4, 5, 6, 7]);
  assert.equal(fineTuned.volume.dice, 300 / 301);
  assert.equal(structures[0]!.fineTuned.dice, 300 / 301);
  assert.equal(structures[0]!.fineTuned.recall, 150 / 151);
  assert.ok(fineTuned.slices.every(({ dice }) => dice === 1));
});

test('overlaps alone are those of the scores', () => {
  const changes = { zeroShot: speckled, fineTuned: same };
  const { zeroShot, fineTuned } = scored(changes);
  const stored = { volume: encodeVolume(volume), slices: encodeSlices([stack]), predictions: predictions(changes) };
  assert.deepEqual(volumeOverlaps({ ...stored, structures: STRUCTURES }), {
    zeroShot: zeroShot.volume,
    fineTuned: fineTuned.volume,
  });
});

test('volumes and distances are in the scan’s own millimetres', () => {
  const { fineTuned, zeroShot } = scored({ zeroShot: nothing, fineTuned: same }).structures[0]!;
  assert.ok(Math.abs(fineTuned.truthMl - (151 * 6) / 1000) < 1e-12);
  // From the speck to the block: one voxel along x (1 mm), one along y (2 mm), two along z (3 mm each).
  const { fineTuned: edges } = scored(
    { zeroShot: nothing, fineTuned: same },
    { setting: { ...SETTING, surface: 'voxel-edge' } },
  ).structures[0]!;
  assert.ok(Math.abs(edges.hdMm! - Math.hypot(1, 2, 6)) < 1e-12);
  assert.equal(zeroShot.hdMm, Math.hypot(11 * 1, 9 * 2, 10 * 3));
});

test('the fine-tuned model is scored as it comes and post-processed, the other one as it comes', () => {
  const postProcess = { fillHoles: false, minComponentMm3: 0, largestComponent: true };
  const changes = { zeroShot: speckled, fineTuned: speckled };
  const [structure] = scored(changes, { postProcess }).structures;
  assert.ok(structure!.fineTuned.dice < structure!.postProcessed!.dice);
  assert.deepEqual(structure!.zeroShot, structure!.fineTuned);
  assert.equal(structure!.postProcessed!.dice, 300 / 301);
  assert.equal(scored(changes).structures[0]!.postProcessed, null);
});

test('each label is scored by itself', () => {
  const two = Uint8Array.from(volume.mask!, (value, at) => (value === 0 ? 0 : at % 12 < 4 ? 1 : 2));
  const labelled: PatientVolume = { ...volume, mask: two };
  const labels = oneStack(labelled, slicing({ minForegroundPixels: 4 }));
  const swapped: Change = (mask) => mask.map((value) => (value === 2 ? 0 : value));
  const { structures } = score({
    ...{ ...NONE, volume: encodeVolume(labelled), slices: encodeSlices([labels]) },
    predictions: predictions({ zeroShot: same, fineTuned: swapped }, labels),
    structures: [
      { name: 'one', label: 1 },
      { name: 'two', label: 2 },
    ],
  });
  const [one, other] = structures.map(({ zeroShot, fineTuned }) => [zeroShot.dice, fineTuned.dice]);
  assert.ok(one![0]! > 0.99 && one![1] === one![0]);
  assert.deepEqual([other![0]! > 0.99, other![1]], [true, 0]);
});

test('on a sheared grid there are overlaps and no distances', () => {
  const voxelToWorld = [...volume.voxelToWorld];
  voxelToWorld[1] = 0.2;
  const { fineTuned } = scored(
    { zeroShot: nothing, fineTuned: same },
    { volume: encodeVolume({ ...volume, voxelToWorld }) },
  ).structures[0]!;
  assert.equal(fineTuned.dice, 300 / 301);
  assert.deepEqual([fineTuned.hdMm, fineTuned.hd95Mm, fineTuned.assdMm, fineTuned.nsd], [null, null, null, null]);
});

test('every rule of post-processing is tried, on the fine-tuned model', () => {
  const inputs = { volume: encodeVolume(volume), slices: encodeSlices([stack]), structures: STRUCTURES };
  const dices = cleanedDices({ ...inputs, predictions: predictions({ fineTuned: speckled }), rules: POST_PROCESSES });
  assert.equal(dices.length, POST_PROCESSES.length);
  const of = (dice: number) => POST_PROCESSES[dices.indexOf(dice)]!;
  assert.equal(dices[0], 300 / 307);
  assert.equal(Math.max(...dices), 300 / 301);
  assert.ok(of(300 / 301).minComponentMm3 === 100);
});

test('a summary compares over the patients, and post-processing where there was any', () => {
  const patients = [same, speckled].map(
    (change) => scored({ zeroShot: speckled, fineTuned: change }, { postProcess: POST_PROCESSES[8]! }).structures,
  );
  const [summary] = summarise({ patients, structures: STRUCTURES, setting: SETTING });
  assert.equal(summary!.structure, 'target');
  const [dice] = summary!.fineTuning;
  assert.deepEqual([dice!.metric, dice!.patients, dice!.improved, dice!.worsened], ['dice', 2, 1, 0]);
  assert.equal(summary!.fineTuning.length, 11);
  assert.equal(summary!.postProcessing![0]!.improved, 1);
  const raw = [scored({ zeroShot: same, fineTuned: same }).structures];
  assert.equal(summarise({ patients: raw, structures: STRUCTURES, setting: SETTING })[0]!.postProcessing, null);
});
