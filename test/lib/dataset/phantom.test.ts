import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { connectedComponents } from '../../../lib/dataset/components.ts';
import { pairPatients } from '../../../lib/dataset/pairing.ts';
import { phantomFiles, phantomScan } from '../../../lib/dataset/phantom.ts';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { axisCodes, orientationOf } from '../../../lib/volume/orientation.ts';
import { oneStack, slicing } from '../../helpers/volumes.ts';

const files = phantomFiles(3, 7);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const patientOf = (number: number) => {
  const file = (kind: string) => files.find(({ path }) => path === `3d_images/${kind}_000${number}.nii.gz`)!;
  const named = (kind: string) => ({ name: kind, bytes: file(kind).bytes });
  return readPatientVolume({ image: [named('IMG')], mask: named('MASK'), labels: null });
};

test('the files are laid out like the Kaggle set', () => {
  assert.deepEqual(
    files.map(({ path }) => path),
    [1, 2, 3, 4, 5, 6].map((n) => `3d_images/${n < 4 ? 'IMG' : 'MASK'}_000${n < 4 ? n : n - 3}.nii.gz`),
  );
  const pattern = { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' };
  assert.equal(pairPatients(files, { pattern }).length, 3);
});

test('a seed means the same voxels everywhere, and another seed other patients', () => {
  const { image, mask } = phantomScan(1, 7);
  assert.deepEqual(
    [sha256(new Uint8Array(image.buffer)), sha256(mask)].map((hash) => hash.slice(0, 16)),
    ['d11f8acc0102fdde', '035c964b16982b61'],
  );
  assert.equal(sha256(files[0]!.bytes), sha256(phantomFiles(1, 7)[0]!.bytes));
  assert.notDeepEqual(phantomScan(1, 8).mask, mask);
});

test('patients differ in size and shape', () => {
  const shapes = [1, 3, 4, 6, 7].map((patient) => phantomScan(patient, 7).shape.join());
  assert.ok(new Set(shapes).size >= 4, shapes.join(' '));
});

test('most patients are LPS, every third has its axial slices first, as the Kaggle set', () => {
  const codes = files
    .slice(0, 3)
    .map(({ bytes, path }) => axisCodes(orientationOf(readNifti(bytes, path).voxelToWorld)));
  assert.deepEqual(codes, ['LPS', 'SLP', 'LPS']);
});

test('slices are axial for all of them, of a size for a quick demo', async () => {
  for (const number of [1, 2, 3]) {
    const volume = await patientOf(number);
    const { height, width, total } = oneStack(volume, slicing({ minForegroundPixels: 16 }));
    assert.ok(width >= 64 && width <= 110 && height >= 56 && height <= 96, `${width} x ${height}`);
    assert.ok(total >= 24 && total <= 32, `${total} slices`);
  }
});

test('tissues have the HU of a chest: lung, lesion, and neither perfectly apart', async () => {
  const lesions = [];
  for (const number of [1, 2, 3]) {
    const file = files[number + 2]!;
    const labels = readNifti(file.bytes, file.path).voxels;
    const scan = readNifti(files[number - 1]!.bytes, 'i').voxels;
    const meanOf = (label: number) => {
      const values = Array.from(labels.keys()).filter((at) => labels[at] === label);
      return values.reduce((sum, at) => sum + scan[at]!, 0) / values.length;
    };
    const [lung, lesion] = [meanOf(1), meanOf(2)];
    assert.ok(lung > -900 && lung < -650, `lung ${lung} HU`);
    if (!Number.isNaN(lesion)) lesions.push(lesion);
    // A threshold does not do: vessels and lesions in the lung are bright, airways and stomach outside it are dark.
    const wrong = Array.from(labels.keys()).filter((at) => labels[at]! > 0 !== scan[at]! < -500).length;
    const inLung = Array.from(labels.keys()).filter((at) => labels[at]! > 0).length;
    assert.ok(wrong > 0.1 * inLung);
  }
  assert.ok(lesions.length >= 2 && lesions.every((hu) => hu > -500 && hu < 80), lesions.join());
});

test('there are two lungs in the middle of the chest', async () => {
  for (const number of [1, 2, 3]) {
    const volume = await patientOf(number);
    const stack = oneStack(volume, slicing({ minForegroundPixels: 16 }));
    const area = stack.height * stack.width;
    const middle = Math.floor(stack.index.length * 0.6);
    const mask = stack.masks!.subarray(middle * area, (middle + 1) * area);
    const large = connectedComponents(mask, stack.height, stack.width).components.filter(({ pixels }) => pixels > 40);
    assert.equal(large.length, 2, `patient ${number}`);
    const [left, right] = large.map(({ box }) => (box[0] + box[2]) / 2).sort((a, b) => a - b);
    assert.ok(left! < stack.width / 2 && right! > stack.width / 2);
  }
});
