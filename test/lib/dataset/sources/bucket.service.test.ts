import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { S3Store } from '../../../../lib/artifacts/s3-store.ts';
import { pairPatients } from '../../../../lib/dataset/pairing.ts';
import { phantomFiles } from '../../../../lib/dataset/phantom.ts';
import { fingerprintSource, openSource } from '../../../../lib/dataset/sources/open.ts';
import type { SourceOptions } from '../../../../lib/dataset/sources/source.ts';
import { tarOf } from '../../../helpers/archives.ts';
import { startTestServers, type TestServers, withoutTools } from '../../../helpers/dev-servers.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';

const PATTERN = { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' };

describe('a data set in a bucket, on versitygw', { skip: await withoutTools('versitygw') }, () => {
  const files = phantomFiles(3, 7);
  let running: TestServers;
  let scans: S3Store;
  let options: SourceOptions;
  before(async () => {
    running = await startTestServers('versitygw');
    scans = new S3Store({ ...running.servers.s3, bucket: 'scans' });
    await scans.ensureBucket();
    for (const { path, bytes } of files) await scans.put(`lungs/${path}`, bytes);
    await scans.put('lungs.tar.gz', gzipSync(tarOf(files.map(({ path, bytes }) => ({ path, content: bytes })))));
    const kaggle = { endpoint: 'http://127.0.0.1:1', username: null, key: null, token: null, configDir: '' };
    const cacheDir = await mkdtemp(join(tmpdir(), 'samflow-bucket-'));
    options = { cacheDir, access: { kaggle, openBucket: ({ bucket }) => scans.inBucket(bucket) } };
  });
  after(async () => {
    scans?.close();
    await running?.close();
    if (options) await rm(options.cacheDir, { recursive: true });
  });

  for (const key of ['lungs', 'lungs.tar.gz']) {
    it(`has the patients of the phantom under ${key}, and their bytes`, async () => {
      const source = { kind: 's3', bucket: 'scans', key } as const;
      const opened = await openSource(source, options);
      assert.deepEqual(
        pairPatients(opened.files, { pattern: PATTERN }).map(({ id }) => id),
        ['0001', '0002', '0003'],
      );
      for (const { path, bytes } of files) assert.equal(Buffer.compare(await opened.read(path), bytes), 0);
      assert.equal(opened.fingerprint, await fingerprintSource(source, options));
      await opened.close();
    });
  }

  it('says that there is no such bucket', () =>
    assertRejectsWithFault(
      openSource({ kind: 's3', bucket: 'no-such-bucket', key: 'lungs' }, options),
      'SOURCE_MISSING',
      /^no-such-bucket: /,
    ));
});
