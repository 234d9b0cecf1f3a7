import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { madeUpCt, withMadeUpCt } from '../../bench/data/made-up-ct.ts';
import type { BenchRow } from '../../bench/row.ts';
import { readPatientVolume } from '../../lib/dataset/volume-record.ts';
import { withoutShared } from '../helpers/shared-data.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const bench = (...args: string[]) =>
  spawnSync(process.execPath, ['--import', 'tsx', 'bench/run.ts', ...args, '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, SAMFLOW_PYTHON: 'no-such-python' },
  });

test('npm run bench -- data measures our side where there is no Python, and says what is missing', () => {
  const { status, stdout, stderr } = bench('data/slices', 'data/dicom');
  assert.equal(status, 1, stderr);
  const [slices, dicom, ...others] = JSON.parse(stdout) as (BenchRow & { ok: boolean })[];
  assert.deepEqual(others, []);
  const rows = withoutShared('data/ct-dicom/series') ? [slices!] : [slices!, dicom!];
  for (const { value, ok, sides, note } of rows) {
    assert.deepEqual([value, ok, sides!.reference], [null, false, null]);
    assert.ok(sides!.ours!.median > 0 && sides!.repeats >= 5);
    assert.match(note!, /no-such-python.*ENOENT.*pip install -r bench\/reference\/requirements-data\.txt/);
  }
  assert.match(slices!.note!, /\? and \d+ slices a second/);
  if (rows.length === 1) assert.match(dicom!.note!, /left out/);
});

test('the scan of the bench is the same each time, and one that a run takes, with its mask', async () => {
  const shape = [40, 30, 12] as [number, number, number];
  assert.deepEqual(madeUpCt(shape), madeUpCt(shape));
  await withMadeUpCt(shape, async (files) => {
    const file = async (path: string) => ({ name: 'a.nii.gz', bytes: await readFile(path) });
    const { image, mask } = { image: [await file(files.ct)], mask: await file(files.mask) };
    const volume = await readPatientVolume({ image, mask, labels: null });
    assert.deepEqual(volume.shape, shape);
    assert.ok(volume.image instanceof Int16Array && volume.mask!.includes(1));
  });
});

test('a row that nobody knows is a wrong call', () => {
  const { status, stderr } = bench('data/nothing');
  assert.equal(status, 2);
  assert.match(stderr, /usage: .*data\/slices\|data\/dicom/);
});
