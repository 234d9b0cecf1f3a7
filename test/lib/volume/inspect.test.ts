import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { readDicomSeries } from '../../../lib/volume/dicom.ts';
import { inspectVolume } from '../../../lib/volume/inspect.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { canonicalShape, orientationOf, toCanonical } from '../../../lib/volume/orientation.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { changedHeader, FIELD, GOLDEN, type Golden, readFixture } from '../../helpers/nifti-fixtures.ts';
import { readShared, sharedPath, withoutShared } from '../../helpers/shared-data.ts';
import { assertFactsAgree } from '../../helpers/volume-facts.ts';

type NamedBytes = { name: string; bytes: Uint8Array };

const inspect = (name: string, bytes = readFixture(name)) => inspectVolume([{ name, bytes }]);

/** The sampled voxels, as stored and after canonical order. */
async function assertVoxelsAgree(files: readonly NamedBytes[], golden: Golden): Promise<void> {
  const [first] = files as [NamedBytes];
  const volume = files.length > 1 ? await readDicomSeries(files) : readNifti(first.bytes, first.name);
  const [nx, ny, nz = 1] = volume.shape as [number, number, number?];
  const orientation = orientationOf(volume.voxelToWorld);
  const canonical = toCanonical(volume.voxels, [nx, ny, nz], orientation, new Float32Array(nx * ny * nz));
  const [cx, cy] = canonicalShape([nx, ny, nz], orientation);
  const at = ([i, j, k]: readonly number[], [sx, sy]: readonly number[]) => i! + sx! * (j! + sy! * (k ?? 0));
  // The reference values are float32.
  for (const { ijk, value } of golden.voxels) {
    assert.equal(Math.fround(volume.voxels[at(ijk, [nx, ny])]!), value, `voxel ${ijk}`);
  }
  for (const { ijk, value } of golden.ras.voxels) {
    assert.equal(canonical[at(ijk, [cx, cy])], value, `canonical voxel ${ijk}`);
  }
}

async function assertAgrees(files: readonly NamedBytes[], golden: Golden): Promise<void> {
  assertFactsAgree(await inspectVolume(files), golden);
  await assertVoxelsAgree(files, golden);
}

for (const [name, golden] of Object.entries(GOLDEN)) {
  test(`the facts of ${name} are nibabel's, before and after canonical order`, () =>
    assertAgrees([{ name, bytes: readFixture(name) }], golden));
}

const VOLUMES = 'golden/imaging/volumes.json';
const volumes: Record<string, Golden> = withoutShared(VOLUMES)
  ? {}
  : JSON.parse(readFileSync(sharedPath(VOLUMES), 'utf8'));

test('the reference names 29 NIfTI files and a DICOM series', { skip: withoutShared(VOLUMES) }, () => {
  assert.equal(Object.keys(volumes).length, 30);
});

for (const [path, golden] of Object.entries(volumes)) {
  test(`the facts of ${path} are the reference's`, { skip: withoutShared(path) }, () => {
    const paths = /\.nii(\.gz)?$/.test(path) ? [path] : readdirSync(sharedPath(path)).map((name) => `${path}/${name}`);
    return assertAgrees(
      paths.map((file) => ({ name: basename(file), bytes: readShared(file) })),
      golden,
    );
  });
}

test('the axial array axis follows from the affine, not from the order of the axes', async () => {
  assert.deepEqual((await inspect('lpi.nii.gz')).sliceAxis, { axial: 2, coronal: 1, sagittal: 0 });
  // PSR: the second array axis runs head-feet.
  assert.deepEqual((await inspect('sagittal_psr.nii.gz')).sliceAxis, { axial: 1, coronal: 0, sagittal: 2 });
});

test('labels are counted where a volume looks like a label map', async () => {
  assert.equal((await inspect('int16.nii')).labels, null);
  assert.equal((await inspect('float32.nii.gz')).labels, null);
  const { labels } = await inspect('uint8.nii.gz');
  assert.equal(
    labels!.reduce((sum, { voxels }) => sum + voxels, 0),
    960,
  );
});

/** The volume int16.nii as float32, with other values. */
const floats = (change: (voxels: Float32Array) => void): Uint8Array => {
  const voxels = Float32Array.from(readNifti(readFixture('int16.nii'), 'a').voxels);
  change(voxels);
  const header = changedHeader((view) => {
    view.setInt16(FIELD.datatype, 16, true);
    view.setInt16(FIELD.bitpix, 32, true);
  });
  return new Uint8Array(Buffer.concat([header.subarray(0, 352), new Uint8Array(voxels.buffer)]));
};

test('what a run would refuse or mend is said', async () => {
  const notesOf = async (name: string, bytes?: Uint8Array) => (await inspect(name, bytes)).notes.join();
  assert.equal(await notesOf('int16.nii'), '');
  assert.match(await notesOf('four_d.nii.gz'), /the file holds 2 volumes; a run takes files of one/);
  assert.match(
    await notesOf(
      'a',
      floats((voxels) => voxels.fill(0)),
    ),
    /every voxel is 0: as a mask it is empty/,
  );
  const damaged = await inspect(
    'a',
    floats((voxels) => voxels.fill(Number.NaN, 0, 7)),
  );
  assert.equal(damaged.nonFiniteVoxels, 7);
  assert.match(damaged.notes.join(), /7 voxels are NaN or infinite/);
});

test('a volume without a finite value is refused', async () => {
  await assertRejectsWithFault(
    inspect(
      'a',
      floats((voxels) => voxels.fill(Number.NaN)),
    ),
    'VOLUME_NO_VALUES',
  );
});

test('bytes after the voxels are said, not read', async () => {
  const longer = new Uint8Array(Buffer.concat([readFixture('int16.nii'), new Uint8Array(100)]));
  const [facts, plain] = [await inspect('a', longer), await inspect('int16.nii')];
  assert.match(facts.notes.join(), /100 bytes follow the voxels that the header names; they were ignored/);
  assert.deepEqual({ ...facts, notes: [] }, { ...plain, notes: [] });
});
