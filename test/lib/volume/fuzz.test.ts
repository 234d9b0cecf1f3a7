import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { isFault } from '../../../lib/fault.ts';
import { type DicomVolume, readDicomSeries } from '../../../lib/volume/dicom.ts';
import { inspectVolume } from '../../../lib/volume/inspect.ts';
import { asVolume3, type NiftiVolume, readNifti } from '../../../lib/volume/nifti.ts';
import { canonicalAffine, canonicalShape, orientationOf, toCanonical } from '../../../lib/volume/orientation.ts';
import { damage } from '../../helpers/damage.ts';
import { DICOM_IDENTITY, DICOM_VALUES, readDicomFixture } from '../../helpers/dicom-fixtures.ts';
import { readPlainDicom } from '../../helpers/independent-dicom.ts';
import { readPlainNifti } from '../../helpers/independent-nifti.ts';
import { readFixture } from '../../helpers/nifti-fixtures.ts';
import { readSegFixture, SEG_SHAPE, segSeries } from '../../helpers/seg-fixtures.ts';

/**
 * Damaged files are refused with a fault, or read as what they say, never anything else: no crash, no hang, no result that
 * differs in silence from what an independent reader makes of the same bytes, or, where a checksum protects them, from the
 * undamaged file. Rounds are seeded: what fails once fails again.
 */

/** Of processor time, for one file: these have a few kilobytes. */
const LIMIT_MS = 2000;
/** Largest resident set of this process, WebAssembly memory and all, which was 280 to 320 MB. */
const LIMIT_MB = 600;
/** How many times the usual rounds: to look for what is rare. */
const TIMES = Number(process.env.FUZZ_TIMES ?? 1);

interface Rounds {
  readonly rounds: number;
  /** Bytes of header, which are hit more often. */
  readonly span: number;
}

/** Shares of the rounds that were refused. */
async function survives<T>(
  whole: Uint8Array,
  { rounds, span }: Rounds,
  read: (bytes: Uint8Array) => T | Promise<T>,
  check: (result: T, damaged: Uint8Array, round: number) => void,
): Promise<number> {
  let refused = 0;
  for (let round = 0; round < rounds * TIMES; round += 1) {
    const damaged = damage(whole, span, round);
    const before = process.cpuUsage();
    let result: T;
    try {
      result = await read(damaged);
    } catch (error) {
      assert.ok(isFault(error), `round ${round}: ${error instanceof Error ? error.stack : String(error)}`);
      assert.doesNotMatch(error.message, /\n|undefined|\[object/, `round ${round}`);
      assert.doesNotMatch(`${error.message} ${error.cause}`, DICOM_IDENTITY, `round ${round}`);
      refused += 1;
      continue;
    } finally {
      const { user, system } = process.cpuUsage(before);
      assert.ok((user + system) / 1000 < LIMIT_MS, `round ${round} took ${(user + system) / 1000} ms`);
    }
    check(result, damaged, round);
  }
  return refused / (rounds * TIMES);
}

const same = (one: number, other: number) => Object.is(one, other) || one === other;

function assertNear(found: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(found.length, expected.length, what);
  const scale = Math.max(...expected.map(Math.abs), 1);
  found.forEach((value, at) => {
    assert.ok(Math.abs(value - expected[at]!) <= 1e-4 * scale, `${what}: ${value}, not ${expected[at]}`);
  });
}

/** Shape, place and every value as the independent reader has them. */
function agreesWithPlain(volume: NiftiVolume, plain: Uint8Array, round: number): void {
  const expected = readPlainNifti(plain);
  assert.deepEqual([...volume.shape], expected.shape, `round ${round}`);
  assertNear(volume.voxelToWorld, expected.affine.flat(), `round ${round}: affine`);
  const value = volume.voxels instanceof Float32Array ? Math.fround : Number;
  const wrong = expected.values.findIndex((expectedValue, at) => !same(volume.voxels[at]!, value(expectedValue)));
  assert.equal(wrong, -1, `round ${round}: voxel ${wrong}`);
}

/** Where an affine, four rows of four, puts a voxel. */
const worldOf = (m: readonly number[], voxel: readonly number[]): number[] =>
  [0, 4, 8].map((row) => m[row + 3]! + voxel.reduce((sum, index, axis) => sum + m[row + axis]! * index, 0));

/** Each corner of the canonical grid has place and value of a corner of the native one. */
function staysInPlace(volume: NiftiVolume, round: number): void {
  if (volume.shape.slice(3).some((size) => size > 1)) return;
  const { shape3, voxels, voxelToWorld } = asVolume3(volume);
  const orientation = orientationOf(voxelToWorld);
  const [cx, cy] = canonicalShape(shape3, orientation);
  const canonical = toCanonical(voxels, shape3, orientation, new Float64Array(voxels.length));
  const affine = canonicalAffine(voxelToWorld, shape3, orientation);
  for (let corner = 0; corner < 8; corner += 1) {
    const native = shape3.map((size, axis) => (corner & (1 << axis) ? size - 1 : 0)) as [number, number, number];
    const moved: [number, number, number] = [0, 0, 0];
    native.forEach((index, axis) => {
      const flipped = orientation.direction[axis] === -1;
      moved[orientation.worldAxis[axis]!] = flipped ? shape3[axis]! - 1 - index : index;
    });
    assertNear(worldOf(affine, moved), worldOf(voxelToWorld, native), `round ${round}: corner ${corner}`);
    const at = native[0] + shape3[0] * (native[1] + shape3[1] * native[2]);
    const to = moved[0] + cx * (moved[1] + cy * moved[2]);
    assert.ok(same(canonical[to]!, voxels[at]!), `round ${round}: corner ${corner}`);
  }
}

const NIFTI = [
  'int16.nii',
  'bigendian_int16.nii',
  'float64.nii',
  'int64.nii',
  'qform_only.nii.gz',
  'slope_inter.nii.gz',
  'nifti2_int16.nii.gz',
  'sagittal_psr.nii.gz',
];
for (const name of NIFTI) {
  test(`${name}, damaged, is refused or read as what it then says`, async () => {
    const whole = readFixture(name);
    const plain = name.endsWith('.gz') ? new Uint8Array(gunzipSync(whole)) : whole;
    const span = name.startsWith('nifti2') ? 544 : 352;
    const refused = await survives(
      plain,
      { rounds: 600, span },
      (bytes) => readNifti(bytes, 'a'),
      (volume, damaged, round) => {
        agreesWithPlain(volume, damaged, round);
        staysInPlace(volume, round);
      },
    );
    assert.ok(refused > 0.1 && refused < 0.9, `${refused} refused`);
  });
}

for (const name of ['int16.nii.gz', 'uint16.nii.gz', 'float32.nii.gz', 'two_d.nii.gz']) {
  test(`${name}, damaged as a gzip stream, is refused or has the facts of the whole file`, async () => {
    const whole = readFixture(name);
    const facts = await inspectVolume([{ name, bytes: whole }]);
    const refused = await survives(
      whole,
      { rounds: 600, span: 40 },
      (bytes) => inspectVolume([{ name, bytes }]),
      (found, _, round) => assert.deepEqual(found, facts, `round ${round}`),
    );
    // The rest: times and names in the gzip header, which its checksum does not cover, and what follows the stream.
    assert.ok(refused > 0.5, `${refused} refused`);
  });
}

test('a scan damaged before it was zipped goes into a patient’s record whole and finite, or not at all', async () => {
  await survives(
    new Uint8Array(gunzipSync(readFixture('float32.nii.gz'))),
    { rounds: 300, span: 352 },
    (bytes) => readPatientVolume({ image: [{ name: 'a', bytes: gzipSync(bytes) }], mask: null, labels: null }),
    ({ image, shape, voxelToWorld }, _, round) => {
      assert.equal(image.length, shape[0] * shape[1] * shape[2], `round ${round}`);
      assert.ok(image.every(Number.isFinite) && voxelToWorld.every(Number.isFinite), `round ${round}`);
    },
  );
});

const asSeries = (bytes: Uint8Array) => readDicomSeries([{ name: 'a.dcm', bytes }]);

function agreesWithStandard(volume: DicomVolume, damaged: Uint8Array, round: number): void {
  const expected = readPlainDicom(damaged);
  assert.deepEqual(volume.shape, [expected.columns, expected.rows, 1], `round ${round}`);
  assertNear(volume.voxelToWorld.slice(0, 12), expected.affine, `round ${round}: affine`);
  if (expected.values) assert.deepEqual([...volume.voxels], expected.values, `round ${round}: values`);
}

for (const name of ['explicit-u12.dcm', 'explicit-s16.dcm', 'rle-u12.dcm', 'rle-s16.dcm']) {
  test(`${name}, damaged, is refused or read as what it then says`, async () => {
    const { bytes } = readDicomFixture(name);
    const refused = await survives(bytes, { rounds: 800, span: 2000 }, asSeries, agreesWithStandard);
    assert.ok(refused > 0.1 && refused < 0.9, `${refused} refused`);
  });
}

// Values inside a whole JPEG, JPEG-LS or JPEG 2000 image have no checksum: that they changed, nobody can see.
for (const name of Object.keys(DICOM_VALUES).filter((one) => one.startsWith('jpeg'))) {
  test(`${name}, damaged, is refused, or has the size and place that its header then says`, async () => {
    const { bytes } = readDicomFixture(name);
    const refused = await survives(bytes, { rounds: 60, span: 2000 }, asSeries, agreesWithStandard);
    assert.ok(refused > 0.2, `${refused} refused`);
  });
}

for (const name of ['implicit-u12.dcm', 'big-endian-s16.dcm', 'enhanced.dcm', 'enhanced-rle.dcm']) {
  test(`${name}, damaged, is refused or read, never anything else`, async () => {
    const { bytes } = readDicomFixture(name);
    await survives(bytes, { rounds: 400, span: 2000 }, asSeries, ({ shape, voxels, voxelToWorld }) => {
      assert.equal(voxels.length, shape[0] * shape[1] * shape[2]);
      assert.ok(voxelToWorld.every(Number.isFinite));
    });
  });
}

for (const name of ['binary', 'binary-reversed', 'fractional-rle', 'labelmap', 'overlap']) {
  test(`the segmentation ${name}, damaged, is refused, or is the mask of a scan on that scan’s grid`, async () => {
    const { bytes } = readSegFixture(name);
    const image = segSeries();
    const refused = await survives(
      bytes,
      { rounds: 400, span: bytes.length },
      (damaged) => readPatientVolume({ image, mask: { name: 'a.dcm', bytes: damaged }, labels: [[1]] }),
      ({ mask, shape }, _, round) => {
        assert.deepEqual(shape, [...SEG_SHAPE], `round ${round}`);
        assert.ok(
          mask!.every((value) => value <= 1),
          `round ${round}`,
        );
      },
    );
    assert.ok(refused > 0.1 && refused < 0.9, `${refused} refused`);
    await survives(
      bytes,
      { rounds: 200, span: bytes.length },
      (damaged) => inspectVolume([{ name, bytes: damaged }]),
      () => {},
    );
  });
}

test('no damaged header made a reader take the memory that it asks for', () => {
  const peakMb = process.resourceUsage().maxRSS / 1024;
  assert.ok(peakMb < LIMIT_MB, `${peakMb.toFixed(0)} MB at the peak`);
});
