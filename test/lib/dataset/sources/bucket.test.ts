import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { MemoryStore } from '../../../../lib/artifacts/memory-store.ts';
import type { Bucket } from '../../../../lib/dataset/sources/bucket.ts';
import { fetchObject } from '../../../../lib/dataset/sources/bucket-archive.ts';
import { fingerprintSource, openSource } from '../../../../lib/dataset/sources/open.ts';
import type { SourceOptions } from '../../../../lib/dataset/sources/source.ts';
import { Fault } from '../../../../lib/fault.ts';
import { scratchFolder, tarOf, writeArchive } from '../../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';

const scratch = await scratchFolder();
const ARCHIVE = await writeArchive(join(scratch, 'made.zip'), [{ path: 'a/scan.nii', content: 'scan' }]);
const sha256 = createHash('sha256').update(ARCHIVE).digest('hex');

let caches = 0;
const optionsOf = (bucket: Bucket): SourceOptions => ({
  cacheDir: join(scratch, `cache-${caches++}`),
  access: {
    kaggle: { endpoint: 'http://127.0.0.1:1', username: null, key: null, token: null, configDir: '' },
    openBucket: ({ bucket: name }) => (name === 'scans' ? bucket : assert.fail(name)),
  },
});
const source = (key: string, more: { sha256?: string } = {}) =>
  ({ kind: 's3', bucket: 'scans', key, ...more }) as const;
/** A bucket whose requests fail as those of a store do: with the key in the fault, and the client's error behind it. */
const failing = (code: string): Bucket => {
  const details = { at: 'scans/DOE^JANE/ct.nii', found: 'HTTP 403', expected: 'access', fix: 'Check' };
  const fail = () => Promise.reject(new Fault(code, details, { cause: new Error('GET /scans/DOE^JANE/ct.nii') }));
  return {
    head: fail,
    get: fail,
    list: () => ({ [Symbol.asyncIterator]: () => ({ next: fail }) }),
  };
};

describe('a folder of a bucket', () => {
  let store: MemoryStore;
  beforeEach(async () => {
    store = new MemoryStore();
    for (const key of ['set/b/ct.nii', 'set/a.txt', 'set/', 'set/.hidden', 'settings/x', 'top.nii']) {
      await store.put(key, Buffer.from(key));
    }
  });

  for (const key of ['set', 'set/']) {
    it(`lists the files below ${key} by path, without hidden ones, and reads them where they are`, async () => {
      const opened = await openSource(source(key), optionsOf(store));
      assert.deepEqual(opened.files, [
        { path: 'a.txt', bytes: 9 },
        { path: 'b/ct.nii', bytes: 12 },
      ]);
      assert.equal(Buffer.from(await opened.read('b/ct.nii')).toString(), 'set/b/ct.nii');
      await assertRejectsWithFault(opened.read('../top.nii'), 'SOURCE_FILE_MISSING');
      await opened.close();
    });
  }

  it('may be the whole bucket', async () => {
    const opened = await openSource(source(''), optionsOf(store));
    assert.deepEqual(
      opened.files.map(({ path }) => path),
      ['set/a.txt', 'set/b/ct.nii', 'settings/x', 'top.nii'],
    );
  });

  it('has the fingerprint of its names, sizes and ETags', async () => {
    const options = optionsOf(store);
    const first = await fingerprintSource(source('set'), options);
    assert.equal((await openSource(source('set'), options)).fingerprint, first);
    await store.put('settings/x', Buffer.from('other'));
    assert.equal(await fingerprintSource(source('set'), options), first);
    await store.put('set/a.txt', Buffer.from('set/A.txt'));
    assert.notEqual(await fingerprintSource(source('set'), options), first);
  });

  it('refuses a file that changed since it was listed, or is gone', async () => {
    const opened = await openSource(source('set'), optionsOf(store));
    await store.put('set/a.txt', Buffer.from('set/A.txt'));
    store.delete('set/b/ct.nii');
    await assertRejectsWithFault(opened.read('a.txt'), 'SOURCE_CHANGED', /^a\.txt: /);
    await assertRejectsWithFault(opened.read('b/ct.nii'), 'SOURCE_FILE_MISSING');
  });

  it('is missing where nothing lies under the key', () =>
    assertRejectsWithFault(openSource(source('none'), optionsOf(store)), 'SOURCE_MISSING', /Check `source\.bucket`/));
});

describe('an archive in a bucket', () => {
  for (const [name, bytes] of [
    ['set.zip', ARCHIVE],
    ['set.tar', tarOf([{ path: 'a/scan.nii', content: 'scan' }])],
  ] as const) {
    it(`is fetched once and read as a file: ${name}`, async () => {
      const store = new MemoryStore();
      await store.put(`data/${name}`, bytes);
      const options = optionsOf(store);
      for (const _ of [1, 2]) {
        const opened = await openSource(source(`data/${name}`), options);
        assert.deepEqual(opened.files, [{ path: 'a/scan.nii', bytes: 4 }]);
        assert.equal(opened.fingerprint, await fingerprintSource(source(`data/${name}`), options));
        await opened.close();
      }
      assert.equal(store.gets, 1);
      assert.equal((await readdir(join(options.cacheDir, 's3'))).length, 1);
    });
  }

  it('is verified by its hash; a folder has none', async () => {
    const store = new MemoryStore();
    await store.put('set.zip', ARCHIVE);
    const options = optionsOf(store);
    await (await openSource(source('set.zip', { sha256 }), options)).close();
    const wrong = source('set.zip', { sha256: '0'.repeat(64) });
    await assertRejectsWithFault(openSource(wrong, options), 'SOURCE_DIGEST', new RegExp(sha256));
    await assertRejectsWithFault(
      openSource(source('', { sha256 }), options),
      'SOURCE_DIGEST',
      /no archive under the key/,
    );
  });

  it('is fetched in parts, from where an earlier attempt ended, and not past a change', async () => {
    const bytes = randomBytes(70 * 2 ** 20);
    const store = new MemoryStore();
    const { etag } = await store.put('large.tar', bytes);
    const asked: unknown[] = [];
    const broken: Bucket = {
      ...failing('STORE_UNREACHABLE'),
      get: (key, range) => {
        asked.push(range);
        return asked.length === 2 ? failing('STORE_UNREACHABLE').get(key) : store.get(key, range);
      },
    };
    const part = join(scratch, 'large.part');
    const fetch = () =>
      fetchObject(part, broken, source('large.tar'), { bytes: bytes.length, etag }, { cacheDir: scratch });
    await assertRejectsWithFault(fetch(), 'SOURCE_UNREACHABLE', /^large\.tar: /);
    await fetch();
    const MiB = 2 ** 20;
    assert.deepEqual(asked, [
      { from: 0, to: 32 * MiB },
      { from: 32 * MiB, to: 64 * MiB },
      { from: 32 * MiB, to: 64 * MiB },
      { from: 64 * MiB, to: 70 * MiB },
    ]);
    await store.put('large.tar', randomBytes(80 * MiB));
    const changed = fetchObject(part, store, source('large.tar'), { bytes: 80 * MiB, etag }, { cacheDir: scratch });
    await assertRejectsWithFault(changed, 'SOURCE_CHANGED');
  });
});

describe('an error of a bucket', () => {
  for (const [code, expected] of [
    ['STORE_DENIED', 'SOURCE_DENIED'],
    ['STORE_CREDENTIALS', 'SOURCE_DENIED'],
    ['STORE_BUCKET_MISSING', 'SOURCE_MISSING'],
    ['STORE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
    ['STORE_FAILED', 'SOURCE_UNREACHABLE'],
  ] as const) {
    it(`${code} becomes ${expected}, without the key`, async () => {
      for (const key of ['', 'set.zip']) {
        const opened = openSource(source(key), optionsOf(failing(code)));
        await assertRejectsWithFault(opened, expected, /^scans: (?!.*DOE)/);
        await opened.catch((error: Error) => assert.equal(error.cause, undefined));
      }
    });
  }
});
