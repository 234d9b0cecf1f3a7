import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectVolume } from '../../../lib/volume/inspect.ts';
import { GOLDEN, readFixture } from '../../helpers/nifti-fixtures.ts';

for (const [name, golden] of Object.entries(GOLDEN)) {
  test(`the facts of ${name} are nibabel's, before and after canonical order`, async () => {
    const facts = await inspectVolume([{ name, bytes: readFixture(name) }]);
    assert.equal(facts.byteOrder, golden.dtype.startsWith('>') ? 'big' : 'little');
    assert.deepEqual([facts.axcodes, facts.zooms], [golden.axcodes, golden.zooms]);
    assert.ok(Math.abs(facts.min - golden.min) < 1e-6 && Math.abs(facts.max - golden.max) < 1e-6);
    assert.ok(Math.abs(facts.mean - golden.mean) < 1e-5, `${facts.mean} is not ${golden.mean}`);
    assert.deepEqual(facts.ras.shape, golden.ras.shape);
    facts.ras.affine.flat().forEach((value, at) => {
      assert.ok(Math.abs(value - golden.ras.affine.flat()[at]!) < 1e-6, `affine ${at}`);
    });
    assert.equal(facts.ras.sha256_f32_fortran, golden.ras.sha256_f32_fortran);
  });
}

test('the axial array axis follows from the affine, not from the order of the axes', async () => {
  const axial = async (name: string) => (await inspectVolume([{ name, bytes: readFixture(name) }])).sliceAxis;
  assert.deepEqual(await axial('lpi.nii.gz'), { axial: 2, coronal: 1, sagittal: 0 });
  // PSR: the second array axis runs head-feet.
  assert.deepEqual(await axial('sagittal_psr.nii.gz'), { axial: 1, coronal: 0, sagittal: 2 });
});

test('labels are counted where a volume looks like a label map', async () => {
  const of = async (name: string) => (await inspectVolume([{ name, bytes: readFixture(name) }])).labels;
  assert.equal(await of('int16.nii'), null);
  assert.equal(await of('float32.nii.gz'), null);
  const labels = await of('uint8.nii.gz');
  assert.equal(
    labels!.reduce((sum, { voxels }) => sum + voxels, 0),
    960,
  );
});
