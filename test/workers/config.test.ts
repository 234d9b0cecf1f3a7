import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { readWorkerConfig, slotsOf } from '../../workers/config.ts';
import { movableBuffers } from '../../workers/movable-buffers.ts';

const KEY = { SAMFLOW_PATIENT_KEY: 'a secret of many letters' };

describe('the configuration of a worker', () => {
  it('comes from the environment, with defaults', () => {
    const { store, worker } = readWorkerConfig(['io'], { ...KEY, SAMFLOW_S3_ENDPOINT: 'http://localhost:7070' });
    assert.deepEqual(store, {
      endpoint: 'http://localhost:7070',
      region: 'us-east-1',
      bucket: 'samflow',
      forcePathStyle: true,
    });
    assert.equal(worker.threads, 2);
  });

  it('reads the address and the token of the Hugging Face hub under the hub’s own names', () => {
    assert.deepEqual(readWorkerConfig(['cpu'], {}).worker.hub, { endpoint: 'https://huggingface.co', token: null });
    const env = { HF_ENDPOINT: 'http://mirror:8080/hub/', HF_TOKEN: 'hf_secret\n' };
    const expected = { endpoint: 'http://mirror:8080/hub', token: 'hf_secret' };
    assert.deepEqual(readWorkerConfig(['cpu'], env).worker.hub, expected);
  });

  it('says how many activities a pool does at a time: of the cpu pool as many as there are cores, or as is set', () => {
    const slots = (env: NodeJS.ProcessEnv) =>
      (['io', 'cpu', 'gpu'] as const).map((pool) => slotsOf(pool, readWorkerConfig([pool], { ...KEY, ...env }).worker));
    assert.deepEqual(slots({}), [16, availableParallelism(), 1]);
    assert.deepEqual(slots({ SAMFLOW_CPU_SLOTS: '1' }), [16, 1, 1]);
    assert.throws(() => slots({ SAMFLOW_CPU_SLOTS: '0' }), /SAMFLOW_CPU_SLOTS: found a value/);
    assert.deepEqual(slots({ SAMFLOW_DEVICES: 'cuda:0, cuda:1' }), [16, availableParallelism(), 2]);
  });

  it('keeps copies on a disk only where a folder is named, up to a size in bytes or larger units', () => {
    const cache = (env: NodeJS.ProcessEnv) => readWorkerConfig(['gpu'], env).worker.diskCache;
    assert.equal(cache({ SAMFLOW_CACHE_BYTES: '1 GiB' }), null);
    const dir = '/var/cache/samflow';
    assert.deepEqual(cache({ SAMFLOW_CACHE_DIR: dir }), { dir, maxBytes: 20 * 2 ** 30 });
    const sizes: [string, number][] = [
      ['1000', 1000],
      ['1.5KiB', 1536],
      ['2 MiB', 2 ** 21],
      ['3TiB', 3 * 2 ** 40],
    ];
    for (const [text, maxBytes] of sizes) {
      assert.deepEqual(cache({ SAMFLOW_CACHE_DIR: dir, SAMFLOW_CACHE_BYTES: text }), { dir, maxBytes });
    }
  });

  it('has a version of the workflow code only where a build id is given', () => {
    const version = (env: NodeJS.ProcessEnv) => readWorkerConfig(['cpu'], env).worker.version;
    assert.equal(version({ SAMFLOW_DEPLOYMENT: 'clinic' }), null);
    assert.deepEqual(version({ SAMFLOW_BUILD_ID: '0.1.0+7f3a' }), { buildId: '0.1.0+7f3a', deploymentName: 'samflow' });
  });

  it('reads the account at Kaggle under Kaggle’s own names', () => {
    const { kaggle } = readWorkerConfig(['cpu'], { KAGGLE_USERNAME: 'someone', KAGGLE_KEY: 'secret\n' }).worker;
    const endpoint = 'https://www.kaggle.com';
    assert.deepEqual(kaggle, { endpoint, username: 'someone', key: 'secret', token: null, configDir: null });
  });

  it('takes an empty variable for one that is not set', () => {
    assert.equal(readWorkerConfig(['cpu'], { SAMFLOW_THREADS: '' }).worker.threads, 2);
  });

  const CASES: [claim: string, pools: string[], env: Record<string, string>, message: RegExp][] = [
    ['an unknown pool', ['gpus'], KEY, /--pool: found `gpus`, expected some of io, cpu, gpu/],
    ['an io worker without the key of the pseudonyms', ['io'], {}, /SAMFLOW_PATIENT_KEY: found nothing/],
    ['threads that are no number', ['cpu'], { SAMFLOW_THREADS: 'many' }, /SAMFLOW_THREADS: found a value/],
    ['a hub that is no address', ['cpu'], { HF_ENDPOINT: 'huggingface.co' }, /HF_ENDPOINT: found a value/],
    [
      'an endpoint that is no address',
      ['cpu'],
      { SAMFLOW_S3_ENDPOINT: 'here' },
      /SAMFLOW_S3_ENDPOINT: found a value that cannot be used, expected an address that starts with http/,
    ],
    [
      'a host of sources that is none',
      ['cpu'],
      { SAMFLOW_SOURCE_HOSTS: 'nas.local,10.0.0.0/33' },
      /SAMFLOW_SOURCE_HOSTS: found 10\.0\.0\.0\/33: no address and no range/,
    ],
    ['a device that is none', ['gpu'], { SAMFLOW_DEVICES: 'cuda:0,gpu' }, /SAMFLOW_DEVICES: found a value/],
    ['a device twice', ['gpu'], { SAMFLOW_DEVICES: 'cuda:0,cuda:0' }, /expected each device once/],
    ['a size in unknown units', ['gpu'], { SAMFLOW_CACHE_BYTES: '3 GB' }, /SAMFLOW_CACHE_BYTES: .*KiB/],
    ['a rate of nothing', ['gpu'], { SAMFLOW_MAX_ACTIVITIES_PER_SECOND: '0' }, /SAMFLOW_MAX_ACTIVITIES_PER_SECOND/],
    ['no threads', ['cpu'], { SAMFLOW_THREADS: '0' }, /SAMFLOW_THREADS: found .*, expected number to be >=1\. Correct/],
  ];
  for (const [claim, pools, env, message] of CASES) {
    it(`refuses ${claim}`, () => assert.throws(() => readWorkerConfig(pools, env), message));
  }

  it('never shows a secret in a message', () => {
    const env = { SAMFLOW_PATIENT_KEY: 'short' };
    assert.throws(
      () => readWorkerConfig(['io'], env),
      (error: Error) => !error.message.includes('short,'),
    );
    // A header cannot hold this, and would say so with the value.
    assert.throws(
      () => readWorkerConfig(['cpu'], { HF_TOKEN: 'hf_two\nlines' }),
      (error: Error) => error.message.includes('HF_TOKEN') && !error.message.includes('hf_two'),
    );
  });
});

describe('moving buffers between threads', () => {
  it('finds those of views that own them, once each', () => {
    const own = new Uint8Array(8);
    const value = { a: [own], b: new Map([['x', own]]), c: null, d: 'text' };
    assert.deepEqual(movableBuffers(value), [own.buffer]);
  });

  it('leaves parts of larger buffers and empty ones where they are', () => {
    assert.deepEqual(movableBuffers({ part: new Uint8Array(8).subarray(2), none: new Uint8Array(0) }), []);
  });
});
