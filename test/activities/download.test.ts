import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createDownload } from '../../activities/download.ts';
import { createFingerprint } from '../../activities/fingerprint.ts';
import type { SourceConfig } from '../../contracts/config.ts';
import { type DownloadResult, PatientFiles } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { scratchFolder, writeArchive } from '../helpers/archives.ts';
import { ACCOUNT, startKaggle } from '../helpers/kaggle.ts';

const scratch = await scratchFolder();
const pattern = { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' };
const ENTRIES = ['IMG_1', 'IMG_2', 'MASK_1', 'MASK_2'].map((name) => ({
  path: `3d_images/${name}.nii.gz`,
  content: name,
}));
const LUNGS = await writeArchive(join(scratch, 'lungs.zip'), [...ENTRIES, { path: 'README.md', content: 'Lungs.\n' }]);

let workers = 0;
function openWorker(access: Partial<ActivityDeps['sources']['kaggle']> = {}) {
  const store = new MemoryStore();
  const artifacts = new ArtifactStore(store);
  const kaggle = {
    endpoint: 'http://127.0.0.1:1',
    username: null,
    key: null,
    token: null,
    configDir: scratch,
    ...access,
  };
  const deps = {
    ...{ store, artifacts, cacheDir: join(scratch, `cache-${workers++}`), patientKey: 'a secret of many letters' },
    sources: { kaggle, openBucket: () => store },
  } as unknown as ActivityDeps;
  const run = async <R>(stage: unknown, source: SourceConfig): Promise<R> => {
    const spec = await artifacts.putJson('dataset-spec', { source, dataset: { target: 'lungs', pattern } });
    return new MockActivityEnvironment().run(stage as (input: unknown) => Promise<R>, { spec });
  };
  return {
    ...{ store, artifacts },
    download: (source: SourceConfig) => run<DownloadResult>(createDownload(deps), source),
    fingerprint: (source: SourceConfig) => run<{ fingerprint: string }>(createFingerprint(deps), source),
  };
}

async function everythingIn(store: MemoryStore): Promise<string> {
  const texts = [];
  for await (const { key } of store.list(''))
    texts.push(key, Buffer.from((await store.get(key))!.bytes).toString('latin1'));
  return texts.join('\n');
}

const failureOf = async (promise: Promise<unknown>): Promise<ApplicationFailure> => {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ApplicationFailure, inspect(error));
  return error;
};

describe('the stage download', () => {
  it('brings a data set of Kaggle into the store, with its licence and without the account', async () => {
    const kaggle = await startKaggle({ 'kmader/lungs': { versions: { 3: LUNGS }, licenseName: 'CC0-1.0' } });
    const worker = openWorker({ endpoint: kaggle.url, ...ACCOUNT });
    const source = { kind: 'kaggle', dataset: 'kmader/lungs' } as const;
    const result = await worker.download(source);
    assert.equal(result.fingerprint, (await worker.fingerprint(source)).fingerprint);
    assert.equal(result.patients.length, 2);
    const files = await worker.artifacts.getJson(result.patients[0]!.files, PatientFiles);
    assert.match(files.image[0]!.path, /^3d_images\/IMG_[12]\.nii\.gz$/);
    assert.equal(result.licence?.kind, 'licence');
    assert.equal(
      Buffer.from(await worker.artifacts.get(result.licence!)).toString(),
      'Kaggle data set kmader/lungs, version 3\nLicence, as Kaggle names it: CC0-1.0\n\n== README.md\nLungs.\n',
    );
    assert.doesNotMatch(await everythingIn(worker.store), new RegExp(`${ACCOUNT.key}|${ACCOUNT.username}|Basic`));
    assert.equal((await worker.download(source)).reused, true);
  });

  it('says of a data set without licence or readme that there is none', async () => {
    const file = join(scratch, 'bare.zip');
    await writeArchive(file, ENTRIES);
    assert.equal((await openWorker().download({ kind: 'local', path: file })).licence, null);
  });

  it('does not repeat what Kaggle denies', async () => {
    const kaggle = await startKaggle({ 'kmader/lungs': { versions: { 3: LUNGS } } });
    const failure = await failureOf(
      openWorker({ endpoint: kaggle.url, ...ACCOUNT, key: 'stale' }).download({
        kind: 'kaggle',
        dataset: 'kmader/lungs',
      }),
    );
    assert.deepEqual([failure.type, failure.nonRetryable, kaggle.requests.length], ['SOURCE_DENIED', true, 1]);
    assert.doesNotMatch(inspect(failure, { depth: 9 }), /stale|Basic/);
  });

  it('reads a bucket', async () => {
    const worker = openWorker();
    for (const { path, content } of ENTRIES) await worker.store.put(`set/${path}`, Buffer.from(content));
    const result = await worker.download({ kind: 's3', bucket: 'scans', key: 'set' });
    assert.deepEqual([result.patients.length, result.files], [2, 4]);
  });

  it('names no path in a failure: neither in the sentence nor behind it', async () => {
    const folder = join(scratch, 'DOE^JANE');
    await mkdir(join(folder, '3d_images'), { recursive: true });
    for (const { path } of ENTRIES) await writeFile(join(folder, path), '');
    // A link to itself cannot be opened, by root neither.
    await symlink('loop', join(folder, '3d_images', 'loop'));
    const failure = await failureOf(
      openWorker().download({ kind: 'local', path: join(folder, '3d_images', 'loop', 'x') }),
    );
    assert.equal(failure.type, 'SOURCE_MISSING');
    assert.doesNotMatch(inspect(failure, { depth: 9 }).replaceAll(/^ +at .*$/gm, ''), /DOE|3d_images/);
  });
});
