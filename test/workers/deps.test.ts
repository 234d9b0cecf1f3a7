import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { casKey, sha256Hex } from '../../lib/artifacts/keys.ts';
import { readWorkerConfig } from '../../workers/config.ts';
import { openDeps } from '../../workers/deps.ts';

describe('a worker with a folder for copies', () => {
  const bytes = Buffer.from('weights of a model');
  const sha256 = sha256Hex(bytes);
  const ref = { kind: 'weights', key: casKey(sha256), sha256, bytes: bytes.length };
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'samflow-copies-'));
    await writeFile(join(dir, sha256), bytes);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  /** Nobody listens at the store's address. */
  const read = async (pool: 'io' | 'cpu' | 'gpu'): Promise<string> => {
    const env = {
      ...{
        SAMFLOW_S3_ENDPOINT: 'http://127.0.0.1:1',
        SAMFLOW_S3_ACCESS_KEY_ID: 'a',
        SAMFLOW_S3_SECRET_ACCESS_KEY: 'b',
      },
      ...{ SAMFLOW_PATIENT_KEY: 'a secret of many letters', SAMFLOW_CACHE_DIR: dir },
    };
    const { deps, close } = openDeps(readWorkerConfig([pool], env));
    try {
      return Buffer.from(await deps.artifacts.get(ref)).toString();
    } finally {
      await close();
    }
  };

  it('reads what is there without a word to the store, in the cpu and gpu pools', async () => {
    assert.equal(await read('gpu'), bytes.toString());
    assert.equal(await read('cpu'), bytes.toString());
  });

  it('asks the store in the io pool, which reads nothing twice', async () => {
    await assert.rejects(read('io'), /STORE_UNREACHABLE/);
  });
});
