import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { asVolume3, readNifti, writeNifti } from '../../../lib/volume/nifti.ts';
import { openNiftiStream } from '../../../lib/volume/nifti-stream.ts';
import { orientationOf, toCanonical } from '../../../lib/volume/orientation.ts';
import { assertFault, assertRejectsWithFault } from '../../helpers/faults.ts';
import { readFixture } from '../../helpers/nifti-fixtures.ts';

/** Canonical voxels and notes, streamed and by the reader that holds the whole volume. */
async function both(bytes: Uint8Array) {
  const plain = asVolume3(readNifti(bytes, 'a'));
  const orientation = orientationOf(plain.voxelToWorld);
  const expected = toCanonical(plain.voxels, plain.shape3, orientation, new Int16Array(plain.voxels.length));
  const stream = openNiftiStream(bytes, 'a')!;
  const streamed = new Int16Array(expected.length);
  const notes = await stream.into(streamed, orientation);
  return { expected, streamed, plain, notes: [...stream.notes, ...notes] };
}

/** Every way in which three axes can lie, as affines. */
const AXES = [0, 1, 2, 3, 4, 5].flatMap((order) => Array.from({ length: 8 }, (_, signs) => ({ order, signs })));
const ORDERS = ['012', '021', '102', '120', '201', '210'].map((digits) => [...digits].map(Number));

test('voxels come where the reader of the whole volume puts them, for all 48 orientations', async () => {
  const shape = [5, 4, 3];
  const voxels = Int16Array.from({ length: 60 }, (_, at) => at * 37 - 1000);
  for (const { order, signs } of AXES) {
    const affine = new Array<number>(16).fill(0);
    ORDERS[order]!.forEach((world, axis) => {
      affine[4 * world + axis] = signs & (1 << axis) ? -2 : 2;
    });
    affine[15] = 1;
    const { streamed, expected } = await both(gzipSync(writeNifti({ shape, voxels, voxelToWorld: affine })));
    assert.deepEqual(streamed, expected, `${order} ${signs}`);
  }
});

test('voxels that lie in two pieces of the stream are whole', async () => {
  const shape = [301, 97, 53];
  const voxels = Int16Array.from({ length: 301 * 97 * 53 }, (_, at) => Math.imul(at, 2654435761) >> 16);
  const even = writeNifti({ shape, voxels, voxelToWorld: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] });
  // Voxels from an odd byte on, and something behind them.
  const odd = new Uint8Array(
    Buffer.concat([even.subarray(0, 352), Uint8Array.of(0), even.subarray(352), Buffer.alloc(9)]),
  );
  new DataView(odd.buffer).setFloat32(108, 353, true);
  for (const bytes of [even, odd]) {
    const { streamed, expected, plain, notes } = await both(gzipSync(bytes, { level: 1 }));
    assert.ok(Buffer.from(streamed.buffer).equals(Buffer.from(expected.buffer)));
    assert.deepEqual(notes, plain.notes);
  }
});

test('types that int16 holds are streamed, in either byte order; others, scaled ones and plain files are not', async () => {
  for (const bytes of [
    readFixture('int16.nii.gz'),
    readFixture('uint8.nii.gz'),
    gzipSync(readFixture('int8.nii')),
    gzipSync(readFixture('bigendian_int16.nii')),
    readFixture('nifti2_int16.nii.gz'),
    readFixture('two_d.nii.gz'),
  ]) {
    const { streamed, expected } = await both(new Uint8Array(bytes));
    assert.deepEqual(streamed, expected);
  }
  for (const name of ['uint16.nii.gz', 'float32.nii.gz', 'slope_inter.nii.gz', 'int16.nii']) {
    assert.equal(openNiftiStream(readFixture(name), name), null, name);
  }
});

test('what is wrong with the stream has the codes of the reader of the whole volume', async () => {
  const whole = writeNifti({
    shape: [64, 64, 9],
    voxels: new Int16Array(36864),
    voxelToWorld: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  });
  const packed = gzipSync(whole, { level: 0 });
  const damaged = Uint8Array.from(packed, (byte, at) => (at === packed.length - 6 ? byte ^ 1 : byte));
  const cases: [string, Uint8Array][] = [
    ['NIFTI_TRUNCATED', packed.subarray(0, packed.length - 100)],
    ['NIFTI_TRUNCATED', gzipSync(whole.subarray(0, whole.length - 2), { level: 0 })],
    ['NIFTI_GZIP', damaged],
    ['NIFTI_OVERLONG', gzipSync(Buffer.concat([whole, new Uint8Array(70_000)]), { level: 0 })],
  ];
  for (const [code, bytes] of cases) {
    assertFault(() => readNifti(bytes, 'a'), code);
    const into = openNiftiStream(bytes, 'a')!.into(
      new Int16Array(36864),
      orientationOf([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    );
    await assertRejectsWithFault(into, code);
  }
});
