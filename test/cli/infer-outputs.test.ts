import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { planOutputs } from '../../cli/infer-outputs.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

describe('the files of samflow infer', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-outputs-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('are named by their scans in a folder, with the ending of their format', async () => {
    const names = async (format: 'nifti' | 'dicom-seg') =>
      (await planOutputs(['a/ct.nii.gz', 'b/series', 'c/one.dcm'], folder, format)).map(({ path, probability }) =>
        [path, probability].map((name) => name.slice(folder.length + 1)),
      );
    assert.deepEqual(await names('nifti'), [
      ['ct-mask.nii.gz', 'ct-probability.nii.gz'],
      ['series-mask.nii.gz', 'series-probability.nii.gz'],
      ['one-mask.nii.gz', 'one-probability.nii.gz'],
    ]);
    assert.deepEqual(await names('dicom-seg'), [
      ['ct-seg.dcm', 'ct-probability.nii.gz'],
      ['series-seg.dcm', 'series-probability.nii.gz'],
      ['one-seg.dcm', 'one-probability.nii.gz'],
    ]);
  });

  it('may have any name that ends as the format does', async () => {
    const [planned] = await planOutputs(['series'], 'liver.dcm', 'dicom-seg');
    assert.deepEqual(planned, { scan: 'series', path: 'liver.dcm', probability: 'liver-probability.nii.gz' });
    await assertRejectsWithFault(planOutputs(['series'], 'liver.nii.gz', 'dicom-seg'), 'USAGE', /expected OUT\.dcm/);
    await assertRejectsWithFault(planOutputs(['series'], 'liver.dcm', 'nifti'), 'USAGE', /expected OUT\.nii\.gz/);
    await assertRejectsWithFault(planOutputs(['a', 'b'], 'liver.dcm', 'dicom-seg'), 'USAGE', /one file for 2 scans/);
  });
});
