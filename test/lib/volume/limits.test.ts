import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkFileSize, checkVoxels, MAX_FILE_BYTES, MAX_VOXELS } from '../../../lib/volume/limits.ts';
import { readHead, readVolumeFile } from '../../../lib/volume/read-file.ts';
import { assertFault, assertRejectsWithFault } from '../../helpers/faults.ts';

test('a file is refused from 2 GiB on, and a series above 400 million voxels', () => {
  checkFileSize(MAX_FILE_BYTES, 'a');
  assertFault(
    () => checkFileSize(MAX_FILE_BYTES + 1, 'a.nii'),
    'VOLUME_TOO_LARGE',
    /^a\.nii: found a file of 2\.0 GiB/,
  );
  checkVoxels([512, 512, 1500], 'a');
  assertFault(
    () => checkVoxels([512, 512, 1600], 'a'),
    'VOLUME_TOO_LARGE',
    /512 x 512 x 1600 voxels, expected at most 400/,
  );
});

test('a stored volume of the largest size, float32 with a mask, is one buffer that Node can hash', () => {
  assert.ok(MAX_VOXELS * (4 + 1) + 2 ** 20 < 2 ** 31);
});

test('a file comes whole, its head alone, and one that is too large not at all', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'samflow-limits-'));
  const path = join(folder, 'a.nii');
  await writeFile(path, 'header and voxels');
  assert.equal(Buffer.from(await readVolumeFile(path)).toString(), 'header and voxels');
  assert.equal(Buffer.from(await readHead(path, 6)).toString(), 'header');
  assert.equal((await readHead(path, 100)).length, 17);
  await truncate(path, 2 ** 32);
  await assertRejectsWithFault(readVolumeFile(path), 'VOLUME_TOO_LARGE', /4\.0 GiB/);
  await rm(folder, { recursive: true });
});
