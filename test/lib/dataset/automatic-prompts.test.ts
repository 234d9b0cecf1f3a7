import assert from 'node:assert/strict';
import { test } from 'node:test';
import { automaticBoxes, bodyBox, lungBoxes, priorsOf } from '../../../lib/dataset/automatic-prompts.ts';
import { boundingBox } from '../../../lib/dataset/components.ts';
import { phantomScan } from '../../../lib/dataset/phantom.ts';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { writeNifti } from '../../../lib/volume/nifti.ts';
import { readShared, withoutShared } from '../../helpers/shared-data.ts';
import { boxing, oneStack, slicing, stackOf } from '../../helpers/volumes.ts';

const LIMIT = boxing({ minComponentPixels: 4 });
/** Grey of air, lung and soft tissue in the lung window. */
const [AIR, LUNG, TISSUE] = [60, 85, 235];

/** Body in the middle, two lungs in it, and from slice 2 on a windpipe of one pixel. */
const chest = stackOf([4, 20, 30], (n, y, x) => {
  if (y < 2 || y >= 18 || x < 3 || x >= 27) return AIR;
  if (y >= 5 && y < 14 && ((x >= 6 && x < 12) || (x >= 18 && x < 24))) return LUNG;
  return n >= 2 && y === 9 && x === 15 ? AIR : TISSUE;
});

test('the lungs are the large pockets of air inside the body', () => {
  assert.deepEqual(
    lungBoxes(chest, LIMIT),
    Array.from({ length: 4 }, () => [
      [6, 5, 12, 14],
      [18, 5, 24, 14],
    ]),
  );
});

test('plain air that reaches the border is outside the body; lung that does is cut by the field of view', () => {
  const open = (grey: number) => stackOf([1, 10, 10], (_, y, x) => (y >= 4 && y < 7 && x < 6 ? grey : TISSUE));
  assert.deepEqual(lungBoxes(open(AIR), LIMIT), [[]]);
  assert.deepEqual(lungBoxes(open(LUNG), LIMIT), [[[0, 4, 6, 7]]]);
});

test('a pocket of air much smaller than the lungs over all slices is dropped, however large in one', () => {
  const bubble = stackOf([20, 20, 30], (n, y, x) => {
    const lung = y >= 5 && y < 14 && x >= 6 && x < 12 && n > 2;
    return lung || (n === 0 && y >= 8 && y < 12 && x >= 18 && x < 23) ? LUNG : TISSUE;
  });
  assert.deepEqual(lungBoxes(bubble, LIMIT)[0], []);
  assert.deepEqual(lungBoxes(bubble, LIMIT)[3], [[6, 5, 12, 14]]);
});

test('a stack without air has no lungs', () => {
  assert.deepEqual(
    lungBoxes(
      stackOf([2, 8, 8], () => TISSUE),
      LIMIT,
    ),
    [[], []],
  );
});

test('the body is the largest bright region, without the table', () => {
  const lying = stackOf([2, 20, 30], (n, y, x) => {
    if (y === 17) return TISSUE;
    return y >= 3 + n && y < 15 && x >= 5 && x < 25 - n ? TISSUE : AIR;
  });
  assert.deepEqual(bodyBox(lying), [5, 3, 25, 15]);
  assert.deepEqual(bodyBox(stackOf([1, 8, 9], () => 0)), [0, 0, 9, 8]);
});

/** The target is a block of the body: rows 4-8, columns 10-20, in slices 2 to 5 of 10. */
const trained = stackOf([4, 20, 30], (_, y, x) => (y >= 2 && y < 12 && x >= 5 && x < 25 ? TISSUE : AIR), {
  index: Int32Array.from([2, 3, 4, 5]),
  total: 10,
  masks: stackOf([4, 20, 30], (_, y, x) => (y >= 4 && y < 8 && x >= 10 && x < 20 ? 1 : 0)).pixels,
});

test('the prior says where in the body the target lies', () => {
  assert.deepEqual(priorsOf([[trained]]), [
    { axis: 'axial', label: 1, fromFraction: 0.2, toFraction: 0.6, boxFraction: [0.25, 0.2, 0.75, 0.6] },
  ]);
});

test('the prior is the mean over patients, and none without masks', () => {
  const higher = { ...trained, index: Int32Array.from([4, 5, 6, 7]) };
  const [prior] = priorsOf([[trained], [higher]]);
  assert.ok(Math.abs(prior!.fromFraction - 0.3) < 1e-12 && Math.abs(prior!.toFraction - 0.7) < 1e-12);
  assert.deepEqual(priorsOf([[chest]]), []);
  assert.deepEqual(priorsOf([]), []);
});

test('the prior finds its place in a body of another size', () => {
  const wider = stackOf([10, 40, 60], (_, y, x) => (y >= 10 && y < 30 && x >= 10 && x < 50 ? TISSUE : AIR));
  const boxes = automaticBoxes(wider, 'prior', priorsOf([[trained]]), LIMIT);
  assert.deepEqual(
    boxes.map((of) => of.length),
    [0, 0, 1, 1, 1, 1, 0, 0, 0, 0],
  );
  assert.deepEqual(boxes[2], [{ box: [20, 14, 40, 22], label: 1 }]);
});

test('the body is looked at where the target was seen: shoulders above it move no box', () => {
  const shouldered = stackOf([10, 20, 30], (n, y, x) => {
    const [x0, x1] = n >= 6 ? [0, 30] : [5, 25];
    return y >= 2 && y < 12 && x >= x0 && x < x1 ? TISSUE : AIR;
  });
  assert.deepEqual(automaticBoxes(shouldered, 'prior', priorsOf([[trained]]), LIMIT)[2], [
    { box: [10, 4, 20, 8], label: 1 },
  ]);
});

for (const [target, labels] of [
  ['lungs', null],
  ['lesions', [[2]]],
] as const) {
  test(`the prior of a phantom’s ${target}, applied to that very patient, is the box round all of them`, async () => {
    const scan = phantomScan(1, 7);
    const file = (name: string, voxels: Int16Array | Uint8Array) => ({ name, bytes: writeNifti({ ...scan, voxels }) });
    const files = { image: [file('i', scan.image)], mask: file('m', scan.mask), labels };
    const volume = await readPatientVolume(files);
    const known = oneStack(volume, slicing());
    const boxes = automaticBoxes(oneStack(volume, slicing(), { all: true }), 'prior', priorsOf([[known]]), LIMIT);

    const { index, height, width } = known;
    const area = height * width;
    const union = Uint8Array.from({ length: area }, (_, pixel) =>
      Number(index.some((_, row) => known.masks![row * area + pixel] === 1)),
    );
    const whole = boundingBox(union, height, width)!;
    for (const [position, found] of boxes.entries()) {
      const seen = position >= index[0]! && position <= index.at(-1)!;
      assert.equal(found.length, seen ? 1 : 0, `slice ${position}`);
      const distances = found.flatMap(({ box }) => box.map((side, at) => Math.abs(side - whole[at]!)));
      assert.ok(Math.max(0, ...distances) < 1e-9, `${found}, not ${whole}`);
    }
  });
}

test('each structure has a prior of its own, in each plane, and the rule for lungs pads its boxes', () => {
  const two = { ...trained, masks: trained.masks!.map((value, at) => (value && at % 30 >= 15 ? 2 : value)) };
  const coronal = { ...two, axis: 'coronal' as const };
  const priors = priorsOf([[two, coronal]]);
  assert.deepEqual(
    priors.map(({ axis, label, boxFraction }) => [axis, label, boxFraction]),
    ['axial', 'coronal'].flatMap((axis) => [
      [axis, 1, [0.25, 0.2, 0.5, 0.6]],
      [axis, 2, [0.5, 0.2, 0.75, 0.6]],
    ]),
  );
  const found = automaticBoxes({ ...trained, masks: null }, 'prior', priors, LIMIT);
  assert.deepEqual(
    found.map((boxes) => boxes.map(({ label }) => label)),
    [
      [1, 2],
      [1, 2],
      [1, 2],
      [1, 2],
    ],
  );
  assert.deepEqual(automaticBoxes(chest, 'lungs', [], boxing({ minComponentPixels: 4, padding: 0.5 }))[0]![0], {
    box: [1.5, 0.5, 16.5, 18.5],
    label: 1,
  });
});

test('without a prior the whole slice is the box', () => {
  assert.deepEqual(automaticBoxes(chest, 'prior', [], LIMIT), automaticBoxes(chest, 'image', [], LIMIT));
  assert.deepEqual(automaticBoxes(chest, 'image', [], LIMIT)[0], [{ box: [0, 0, 30, 20], label: 1 }]);
});

/** Share of the truth's slices that get a box, and of its pixels that lie in one. */
async function covered(files: Parameters<typeof readPatientVolume>[0], window: 'lung' | 'soft-tissue' | 'seed') {
  const volume = await readPatientVolume(files);
  const stack = oneStack(volume, slicing({ window }), { all: true });
  const boxes = lungBoxes(stack, { minComponentPixels: 16 });
  let [inside, all] = [0, 0];
  stack.masks!.forEach((value, at) => {
    if (value === 0) return;
    const area = stack.height * stack.width;
    const [n, y, x] = [Math.floor(at / area), Math.floor(at / stack.width) % stack.height, at % stack.width];
    all += 1;
    if (boxes[n]!.some(([x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1)) inside += 1;
  });
  return { inside: inside / all, boxes: boxes.flat().length / stack.total };
}

for (const window of ['lung', 'soft-tissue', 'seed'] as const) {
  test(`lungs of the phantom are found in the ${window} window`, async () => {
    const scan = phantomScan(1, 7);
    const file = (name: string, voxels: Int16Array | Uint8Array) => ({ name, bytes: writeNifti({ ...scan, voxels }) });
    const files = { image: [file('i', scan.image)], mask: file('m', scan.mask), labels: null };
    const { inside, boxes } = await covered(files, window);
    assert.ok(inside > 0.95, `${inside} of the lungs in a box`);
    assert.ok(boxes < 4, `${boxes} boxes a slice`);
  });
}

const THORAX = 'data/ct-thorax/ct.nii.gz';
test('lungs of a real scan are found', { skip: withoutShared(THORAX) }, async () => {
  const image = [{ name: 'ct.nii.gz', bytes: readShared(THORAX) }];
  const mask = { name: 'lungs.nii.gz', bytes: readShared('data/ct-thorax/lungs.nii.gz') };
  const { inside, boxes } = await covered({ image, mask, labels: null }, 'lung');
  assert.ok(inside > 0.95, `${inside} of the lungs in a box`);
  assert.ok(boxes < 5, `${boxes} boxes a slice`);
});
