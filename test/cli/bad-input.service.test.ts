import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { readNifti } from '../../lib/volume/nifti.ts';
import { gzipDeterministic, writeNifti } from '../../lib/volume/nifti-write.ts';
import { Home, lastJson, TINY } from '../helpers/cli.ts';

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const GOOD = phantomFiles(3, 11);
const bytesOf = (name: string): Uint8Array => GOOD.find(({ path }) => path.endsWith(name))!.bytes;
const smallMask = (): Uint8Array =>
  gzipDeterministic(writeNifti({ shape: [8, 8, 8], voxels: new Uint8Array(512).fill(1), voxelToWorld: IDENTITY }));
/** A mask on the grid of the good one, without a voxel in it. */
const emptied = (name: string): Uint8Array => {
  const { shape, voxels, voxelToWorld } = readNifti(bytesOf(name), name);
  return gzipDeterministic(writeNifti({ shape, voxelToWorld, voxels: new Uint8Array(voxels.length) }));
};

interface Case {
  readonly claim: string;
  readonly name: string;
  readonly bytes: () => Uint8Array;
  readonly code: string;
  readonly says: RegExp;
}
const CASES: Case[] = [
  {
    claim: 'a truncated scan',
    name: 'IMG_0002.nii.gz',
    bytes: () => bytesOf('IMG_0002.nii.gz').subarray(0, 5000),
    code: 'NIFTI_TRUNCATED',
    says: /IMG_0002\.nii\.gz: found/,
  },
  {
    claim: 'a mask of another shape',
    name: 'MASK_0002.nii.gz',
    bytes: smallMask,
    code: 'MASK_SHAPE',
    says: /MASK_0002\.nii\.gz: found 8 x 8 x 8 voxels/,
  },
  {
    claim: 'an empty mask',
    name: 'MASK_0002.nii.gz',
    bytes: () => emptied('MASK_0002.nii.gz'),
    code: 'MASK_EMPTY',
    says: /MASK_0002\.nii\.gz: found no foreground/,
  },
];

/** How a run's failed activity and the run itself stand in Temporal's history. */
async function failuresOf(home: Home, run: string) {
  const connection = await Connection.connect({ address: await home.temporalAddress() });
  try {
    const { events } = await new Client({ connection }).workflow.getHandle(run).fetchHistory();
    return (events ?? []).flatMap((event) => {
      const { activityTaskFailedEventAttributes: activity, workflowExecutionFailedEventAttributes: workflow } = event;
      const info = (activity ?? workflow)?.failure?.applicationFailureInfo;
      return info ? [{ of: activity ? 'activity' : 'run', type: info.type, nonRetryable: info.nonRetryable }] : [];
    });
  } finally {
    await connection.close();
  }
}

describe('bad input', () => {
  let home: Home;
  let data: string;
  const put = async (name: string, bytes: Uint8Array | null): Promise<void> => {
    const path = join(data, '3d_images', name);
    if (bytes === null) await rm(path);
    else await writeFile(path, bytes);
  };
  const run = () => {
    const source = ['--set', `source={ kind: local, path: ${data} }`];
    return home.run(
      'run',
      'examples/phantom.yaml',
      ...TINY,
      ...source,
      '--set',
      'training.epochs=1',
      '--keep',
      '--json',
    );
  };
  before(async () => {
    home = await Home.make();
    data = await mkdtemp(join(tmpdir(), 'samflow-data-'));
    await mkdir(join(data, '3d_images'));
    for (const { path, bytes } of GOOD) await writeFile(join(data, path), bytes);
  });
  after(async () => {
    await home.remove();
    await rm(data, { recursive: true });
  });

  for (const { claim, name, bytes, code, says } of CASES) {
    it(`of the kind "${claim}" ends the run with code, file and rule, here and in Temporal, and no stack trace`, async () => {
      await put(name, bytes());
      const ended = await run();
      await put(name, bytesOf(name));
      assert.equal(ended.code, 1, ended.stderr);
      const { run: id, status, failure } = lastJson(ended);
      assert.deepEqual([status, failure.code], ['failed', code]);
      assert.match(failure.message, says);
      assert.match(failure.message, new RegExp(`expected .*\\. .*\\[${code}\\]$`));
      assert.ok(ended.stderr.includes(failure.message));
      assert.doesNotMatch(ended.stderr, /^\s+at .*:\d+:\d+\)?$/m);
      assert.deepEqual(await failuresOf(home, id), [
        { of: 'activity', type: code, nonRetryable: true },
        { of: 'run', type: code, nonRetryable: true },
      ]);
      if (code.startsWith('MASK') || code.startsWith('NIFTI')) assert.equal(failure.file, `3d_images/${name}`);
    });
  }

  it('of the kind "a missing mask" is refused before anything is started, with its code for scripts', async () => {
    await put('MASK_0002.nii.gz', null);
    const [before, ended] = [await home.run('status', '--json'), await run()];
    await put('MASK_0002.nii.gz', bytesOf('MASK_0002.nii.gz'));
    assert.equal(ended.code, 2, ended.stderr);
    assert.match(ended.stderr, /^✗ IMG_0002\.nii\.gz: found no file to go with it, .*\[PATIENT_FILE_MISSING\]\n$/);
    assert.equal(lastJson(ended).failure.code, 'PATIENT_FILE_MISSING');
    assert.deepEqual(lastJson(await home.run('status', '--json')), lastJson(before));
  });

  it('of the kind "one patient only" names the number that is needed', async () => {
    for (const patient of ['0002', '0003']) {
      await put(`IMG_${patient}.nii.gz`, null);
      await put(`MASK_${patient}.nii.gz`, null);
    }
    const ended = await run();
    for (const { path, bytes } of GOOD) await writeFile(join(data, path), bytes);
    assert.equal(ended.code, 1);
    assert.equal(lastJson(ended).failure.code, 'SPLIT_TOO_FEW_PATIENTS');
    assert.match(ended.stderr, /found 1 patient, expected at least 3/);
  });

  it('is mended and the run started again: what was made before is reused', async () => {
    const ended = await run();
    assert.equal(ended.code, 0, ended.stderr);
    // The patients beside the broken one were converted in the runs that failed; they are not converted again.
    assert.match(ended.stderr, /^convert: 3 of 3,.* 2 reused$/m);
  });
});
