import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tasks } from '../../../activities/tasks.ts';
import { inspectDataset, type Listing } from '../../../lib/dataset/inspect.ts';
import { phantomFiles } from '../../../lib/dataset/phantom.ts';
import { splitPatients } from '../../../lib/dataset/split.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { readSegFixture, SEG_LABELS, segSeries } from '../../helpers/seg-fixtures.ts';

const listing = (files: Record<string, Uint8Array>): Listing => ({
  files: Object.entries(files).map(([path, bytes]) => ({ path, bytes: bytes.length })),
  read: async (path) => files[path]!,
});
const names = (...paths: string[]) => listing(Object.fromEntries(paths.map((path) => [path, new Uint8Array(0)])));
const SPLIT = { seed: 7, val: 1, test: 1, stratify: true };
const NAMES_ONLY = { split: SPLIT, deep: false };

test('a folder of DICOM slices with a mask beside it is a patient', async () => {
  const facts = await inspectDataset(
    names(
      'a/series/1',
      'a/series/2',
      'a/labels.nii.gz',
      'b/series/1.dcm',
      'b/series/2.dcm',
      'b/labels.nii.gz',
      'notes.txt',
    ),
    NAMES_ONLY,
  );
  assert.deepEqual(facts.dataset, {
    patients: [
      { id: 'a', image: 'a/series', mask: 'a/labels.nii.gz' },
      { id: 'b', image: 'b/series', mask: 'b/labels.nii.gz' },
    ],
  });
  assert.deepEqual(facts.patients[0]!.image, ['a/series/1', 'a/series/2']);
  assert.deepEqual(facts.leftOver, [{ path: 'notes.txt', why: 'not a NIfTI file' }]);
});

test('a folder of DICOM slices with a DICOM segmentation beside it is a patient, and is read', async () => {
  const { bytes } = readSegFixture('binary');
  const series = Object.fromEntries(segSeries().map((slice) => [`p1/ct/${slice.name}`, slice.bytes]));
  const facts = await inspectDataset(listing({ ...series, 'p1/seg/1.dcm': bytes }), { split: SPLIT, deep: true });
  assert.deepEqual([facts.layout, facts.doubt, facts.leftOver], ['DICOM folders beside a DICOM-SEG', null, []]);
  const [patient] = facts.patients;
  assert.deepEqual([patient!.mask, patient!.fault], ['p1/seg/1.dcm', null]);
  assert.equal(patient!.volume!.foregroundVoxels, SEG_LABELS['seg-binary.dcm']!.filter(Boolean).length);
});

test('files that fit nowhere are named, with the reason', async () => {
  const { patients, leftOver } = await inspectDataset(
    names('IMG_1.nii.gz', 'MASK_1.nii.gz', 'IMG_2.nii.gz', 'MASK_3.nii.gz', 'extra.nii.gz', 'readme.md'),
    NAMES_ONLY,
  );
  assert.deepEqual(
    patients.map(({ id }) => id),
    ['1'],
  );
  assert.deepEqual(leftOver, [
    { path: 'IMG_2.nii.gz', why: 'an image without its mask' },
    { path: 'MASK_3.nii.gz', why: 'a mask without its image' },
    { path: 'extra.nii.gz', why: 'fits no image or mask pattern' },
    { path: 'readme.md', why: 'not a NIfTI file' },
  ]);
});

test('an unknown layout is no error: everything is left over', async () => {
  const facts = await inspectDataset(names('x.raw', 'y.png'), NAMES_ONLY);
  assert.deepEqual([facts.layout, facts.dataset, facts.patients, facts.leftOver.length], [null, null, [], 2]);
});

const phantom = phantomFiles(3, 7);
const phantomListing = (change: Record<string, Uint8Array> = {}) =>
  listing({ ...Object.fromEntries(phantom.map(({ path, bytes }) => [path, bytes])), ...change });

test('reading the scans gives geometry, foreground and the split that a run would make', async () => {
  const { layout, patients, split, splitFault } = await inspectDataset(phantomListing(), { split: SPLIT, deep: true });
  assert.equal(layout, 'Kaggle finding-lungs');
  assert.deepEqual(
    patients.map(({ volume, fault }) => [volume!.axisCodes, volume!.foregroundVoxels > 5000, fault]),
    [
      ['LPS', true, null],
      ['SLP', true, null],
      ['LPS', true, null],
    ],
  );
  assert.equal(splitFault, null);
  assert.deepEqual([...split!.train, ...split!.val, ...split!.test].sort(), ['0001', '0002', '0003']);
});

test('of a cross-validation it says which fold tests whom', async () => {
  const setting = { ...SPLIT, folds: 'leave-one-out' as const };
  const { split, folds, splitFault } = await inspectDataset(phantomListing(), { split: setting, deep: true });
  assert.deepEqual([split, splitFault, folds!.map(({ length }) => length)], [null, null, [1, 1, 1]]);
  assert.deepEqual(folds!.flat().sort(), ['0001', '0002', '0003']);
  const many = await inspectDataset(phantomListing(), { split: { ...SPLIT, folds: 4 }, deep: true });
  assert.deepEqual([many.folds, many.splitFault?.code], [null, 'SPLIT_TOO_FEW_PATIENTS']);
});

test('a broken scan is reported beside the others, and so is a split that cannot be made', async () => {
  const broken = phantomListing({ '3d_images/IMG_0002.nii.gz': phantom[1]!.bytes.slice(0, 5000) });
  const { patients, split, splitFault } = await inspectDataset(broken, { split: SPLIT, deep: true });
  assert.deepEqual(
    patients.map(({ fault }) => fault?.code ?? null),
    [null, 'NIFTI_TRUNCATED', null],
  );
  assert.deepEqual([split, splitFault?.code], [null, 'SPLIT_TOO_FEW_PATIENTS']);
});

test('a configured data set is inspected as configured: labels, parts and faults', async () => {
  const pair = (id: string) => ({ image: `3d_images/IMG_${id}.nii.gz`, mask: `3d_images/MASK_${id}.nii.gz`, id });
  const patients = [
    { ...pair('0001'), split: 'test' as const },
    { ...pair('0002'), split: 'train' as const, labels: [1] },
    { ...pair('0003'), split: 'val' as const },
  ];
  const facts = await inspectDataset(phantomListing(), { dataset: { patients }, split: SPLIT, deep: true });
  assert.deepEqual(facts.split, { train: ['0002'], val: ['0003'], test: ['0001'] });
  const missing = { patients: [{ id: 'x', image: 'x.nii', mask: 'y.nii' }] };
  const inspected = inspectDataset(phantomListing(), { dataset: missing, split: SPLIT, deep: true });
  await assertRejectsWithFault(inspected, 'PATIENT_FILE_MISSING');
});

test('the planned split is that of a run', async () => {
  const { split } = await inspectDataset(phantomListing(), { split: SPLIT, deep: true });
  const candidates = [];
  for (const number of [0, 1, 2]) {
    const [image, mask] = [phantom[number]!, phantom[number + 3]!].map(({ path, bytes }) => ({ name: path, bytes }));
    const { voxels, labelsPresent } = await tasks.convert({ image: [image!], mask: mask!, labels: null });
    candidates.push({ patient: `000${number + 1}`, digest: voxels, labels: labelsPresent, split: null });
  }
  assert.deepEqual(split, splitPatients(candidates, SPLIT));
});

test('a patient with a file of 2 GiB or more is refused without reading it', async () => {
  const paths = ['IMG_1.nii', 'MASK_1.nii'];
  const files = paths.map((path) => ({ path, bytes: path.startsWith('IMG') ? 2 ** 31 : 1000 }));
  const unread = { files, read: () => assert.fail('read') };
  const { patients } = await inspectDataset(unread, { split: SPLIT, deep: true });
  assert.equal(patients[0]!.fault?.code, 'VOLUME_TOO_LARGE');
});
