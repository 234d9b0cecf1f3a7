import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { ArtifactRef } from '../../../contracts/artifact.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { readBytes } from '../../../lib/artifacts/parts.ts';
import { S3Store } from '../../../lib/artifacts/s3-store.ts';
import { openBucket } from '../../../lib/pretrained/bucket.ts';
import { readPretrained } from '../../../lib/pretrained/open.ts';
import { startTestServers, type TestServers, withoutTools } from '../../helpers/dev-servers.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { putFolder, tinyModelFiles } from '../../helpers/model-folder.ts';
import { objectStoreSuite } from './object-store.ts';

describe('S3 store, on versitygw', { skip: await withoutTools('versitygw') }, () => {
  let running: TestServers;
  let store: S3Store;
  before(async () => {
    running = await startTestServers('versitygw');
    store = new S3Store(running.servers.s3);
    await store.ensureBucket();
  });
  after(async () => {
    store?.close();
    await running?.close();
  });
  /** Where the server keeps an object: what an operator, or a failing disk, can change behind its back. */
  const fileOf = (key: string) => join(running.stateDir, 's3', store.bucket, key);

  objectStoreSuite(() => store);

  it('makes a bucket once, also when two ask for it', async () => {
    const other = () => new S3Store({ ...running.servers.s3, bucket: 'another-bucket' });
    await Promise.all([other().ensureBucket(), other().ensureBucket()]);
    await other().put('a', new Uint8Array(1));
    assert.equal((await other().head('a'))?.bytes, 1);
  });

  it('lists more than one page', async () => {
    const names = Array.from({ length: 1005 }, (_, index) => `many/${String(index).padStart(4, '0')}`);
    for (let from = 0; from < names.length; from += 50) {
      await Promise.all(names.slice(from, from + 50).map((name) => store.put(name, new Uint8Array(0))));
    }
    const found = [];
    for await (const { key } of store.list('many/')) found.push(key);
    assert.deepEqual(found, names);
  });

  it('moves 64 MiB there and back', async () => {
    const bytes = new Uint8Array(64 * 2 ** 20);
    for (let i = 0; i < bytes.length; i += 997) bytes[i] = i;
    const artifacts = new ArtifactStore(store);
    const ref = await artifacts.put('weights', bytes);
    assert.equal(Buffer.compare(await artifacts.get(ref), bytes), 0);
  });

  it('finds out that a stored file was changed on the disk', async () => {
    const artifacts = new ArtifactStore(store);
    const ref = await artifacts.put('volume', Buffer.from('voxels'));
    await writeFile(fileOf(ref.key), 'vOxels');
    await assertRejectsWithFault(artifacts.get(ref), 'ARTIFACT_CORRUPT', /Delete this object/);
  });

  it('does the work of a stage again when a stored file is gone, and only then', async () => {
    const artifacts = new ArtifactStore(store);
    let runs = 0;
    const stage = () =>
      artifacts.memo({
        ...{ stage: 'convert', version: 1, parameters: {}, inputs: [] },
        schema: z.strictObject({ volume: ArtifactRef }),
        async compute() {
          runs += 1;
          return { volume: await artifacts.put('volume', Buffer.from('seldom')) };
        },
      });
    const { value } = await stage();
    assert.equal((await stage()).reused, true);
    await rm(fileOf(value.volume.key));
    assert.equal((await stage()).reused, false);
    assert.equal((await stage()).reused, true);
    assert.equal(runs, 2);
  });

  it('gives another bucket of the same server, and says which one is missing', async () => {
    const beside = store.inBucket('beside-it');
    await assertRejectsWithFault(beside.get('a'), 'STORE_BUCKET_MISSING', /bucket beside-it at http/);
    await beside.ensureBucket();
    await beside.put('a', Buffer.from('here'));
    assert.equal(Buffer.from((await beside.get('a'))!.bytes).toString(), 'here');
    assert.equal(await store.get('a'), null);
  });

  it('reads a checkpoint from a bucket, and names the bucket that is not there', async () => {
    const models = store.inBucket('our-models');
    await models.ensureBucket();
    await putFolder(models, 'tiny', tinyModelFiles());
    const { weights } = await readPretrained(openBucket(models, 'our-models', 'tiny'));
    const bytes = await readBytes(weights.source, 0, weights.source.bytes);
    assert.equal(Buffer.compare(bytes, tinyModelFiles()['model.safetensors']!), 0);
    const nowhere = openBucket(store.inBucket('no-models'), 'no-models', 'tiny');
    await assertRejectsWithFault(readPretrained(nowhere), 'STORE_BUCKET_MISSING', /bucket no-models at http/);
  });

  it('says that the keys are wrong when they are', async () => {
    const stranger = new S3Store({ ...running.servers.s3, secretAccessKey: 'not the one' });
    await assertRejectsWithFault(stranger.get('a'), 'STORE_DENIED', /Check the S3 credentials/);
    const nowhere = new S3Store({ ...running.servers.s3, bucket: 'no-such-bucket' });
    await assertRejectsWithFault(nowhere.put('a', new Uint8Array(1)), 'STORE_BUCKET_MISSING');
    await assertRejectsWithFault(nowhere.get('a'), 'STORE_BUCKET_MISSING');
  });
});
