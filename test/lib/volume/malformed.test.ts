import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { readPatientVolume } from '../../../lib/dataset/volume-record.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { REFUSED_SCANS } from '../../helpers/malformed-codes.ts';
import { readShared, sharedPath, withoutShared } from '../../helpers/shared-data.ts';

/** What stands in the record of each file of ../shared/malformed that can be used, as an image. */
const USABLE: Record<string, RegExp> = {
  'pixdim_zero.nii': /voxel size 0 x .* was replaced/,
  'nan_voxels.nii.gz': /161 voxels were NaN or infinite/,
  'mask_empty.nii.gz': /^$/,
  'mask_wrong_shape.nii.gz': /^$/,
  dicom_rle_ok: /^$/,
};

const skip = withoutShared('malformed/README.json');

function filesOf(name: string) {
  const path = `malformed/${name}`;
  const names = statSync(sharedPath(path)).isDirectory()
    ? readdirSync(sharedPath(path)).map((file) => `/${file}`)
    : [''];
  return names.map((file) => ({ name: file.slice(1) || name, bytes: readShared(path + file) }));
}

const readAsImage = (name: string) => readPatientVolume({ image: filesOf(name), mask: null, labels: null });

test('every malformed scan of the collection is named here', { skip }, () => {
  const names = Object.keys(JSON.parse(readFileSync(sharedPath('malformed/README.json'), 'utf8')));
  const scans = names.filter((name) => !name.endsWith('.zip'));
  assert.deepEqual(scans.sort(), [...Object.keys(REFUSED_SCANS), ...Object.keys(USABLE)].sort());
});

for (const [name, code] of Object.entries(REFUSED_SCANS)) {
  test(`${name} is refused as ${code}, at once and without much memory`, { skip }, async () => {
    const start = performance.now();
    const before = process.memoryUsage().arrayBuffers;
    await assertRejectsWithFault(readAsImage(name), code, /^[\w.]+: found .+, expected .+\. .+ \[\w+\]$/);
    assert.ok(performance.now() - start < 2000, 'time');
    assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000, 'memory');
  });
}

for (const [name, record] of Object.entries(USABLE)) {
  test(`${name} is usable, with ${record} on the record`, { skip }, async () => {
    const { image, repairs } = await readAsImage(name);
    assert.ok(image.every(Number.isFinite));
    assert.match(repairs.join(), record);
  });
}

test('a mask without foreground and one of another shape are refused beside their image', { skip }, async () => {
  const image = filesOf('mask_empty.nii.gz');
  const pair = (mask: string) => readPatientVolume({ image, mask: filesOf(mask)[0]!, labels: null });
  await assertRejectsWithFault(pair('mask_empty.nii.gz'), 'MASK_EMPTY');
  await assertRejectsWithFault(pair('mask_wrong_shape.nii.gz'), 'MASK_SHAPE', /found 7 x 9 x 9 .*expected 9 x 9 x 9/);
});
