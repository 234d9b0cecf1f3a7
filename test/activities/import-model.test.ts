import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createImportModel } from '../../activities/import-model.ts';
import { Models } from '../../activities/models.ts';
import type { ImportModelResult } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { type SafeTensor, toFloat32 } from '../../lib/safetensors.ts';
import { encodeCheckpoint } from '../../lib/sam/model.ts';
import { scratchFolder } from '../helpers/archives.ts';
import { cutAfter, type Hub, startHub, type Trouble } from '../helpers/hub.ts';
import {
  asBfloat16,
  asFloat16,
  type ModelFiles,
  putFolder,
  sharded,
  tensorsOf,
  tinyModelFiles,
  withWeights,
  writeFolder,
} from '../helpers/model-folder.ts';
import { tinyModel } from '../helpers/tiny-model.ts';

const scratch = await scratchFolder();
const COMMIT = 'c0ffee'.padEnd(40, '0');
const LATER = 'decaf'.padEnd(40, '0');
const TOKEN = 'hf_thisIsASecret';
const TINY = tinyModelFiles();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let workers = 0;
/** A worker of its own: an empty store and an empty cache, unless they are given. */
function openWorker(more: Partial<ActivityDeps> & { store?: MemoryStore } = {}) {
  const store = more.store ?? new MemoryStore();
  const deps = {
    ...{
      store,
      artifacts: new ArtifactStore(store),
      cacheDir: join(scratch, `cache-${workers++}`),
      modelsDir: scratch,
    },
    ...{ openBucket: () => store, hub: { endpoint: 'http://127.0.0.1:1', token: null }, threads: 1, patientKey: null },
    compute: { run: () => Promise.reject(new Error('nothing is computed here')) },
    ...more,
  } as ActivityDeps;
  const stage = createImportModel(deps);
  const beats: unknown[] = [];
  /** Each call is an attempt of its own. */
  const load = (checkpoint: string, environment = new MockActivityEnvironment()): Promise<ImportModelResult> => {
    environment.on('heartbeat', (details) => beats.push(details));
    return environment.run(stage as never, { checkpoint });
  };
  return { load, store, deps, beats };
}

const failureOf = async (promise: Promise<unknown>): Promise<ApplicationFailure> => {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ApplicationFailure, inspect(error));
  return error;
};

async function keysOf(store: MemoryStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

/** A hub with the reference checkpoint, and a worker that knows its address. */
async function withHub(
  files: ModelFiles = TINY,
  token: string | null = null,
): Promise<{ hub: Hub; worker: ReturnType<typeof openWorker> }> {
  const model = { refs: { main: COMMIT }, commits: { [COMMIT]: files }, ...(token && { tokens: [token] }) };
  const hub = await startHub({ 'medical/tiny': model });
  return { hub, worker: openWorker({ hub: { endpoint: hub.url, token } }) };
}

describe('a checkpoint that is imported', () => {
  it('is the same model from a folder, in shards, from a bucket and from the hub', async () => {
    const { worker } = await withHub();
    await putFolder(worker.store, 'models/tiny', TINY);
    const whole = await worker.load(await writeFolder(join(scratch, 'whole'), TINY));
    const found = [
      whole,
      await worker.load('s3://anything/models/tiny'),
      await worker.load('hf:medical/tiny'),
      await worker.load(await writeFolder(join(scratch, 'shards'), sharded(TINY, 3))),
    ];
    const { tensors, shapes } = tinyModel();
    for (const { model } of found) {
      const read = await new Models(worker.deps.artifacts).open(model);
      assert.ok(Buffer.from(encodeCheckpoint(shapes, read.tensors)).equals(encodeCheckpoint(shapes, tensors)));
      assert.deepEqual(model.embeddingShape, [32, 8, 8]);
    }
    assert.equal(whole.model.weights.sha256, sha256(TINY['model.safetensors']!), 'the file is kept as it is');
    assert.deepEqual(
      found.map(({ model }) => model.origin),
      [join(scratch, 'whole'), 's3://anything/models/tiny', `hf:medical/tiny@${COMMIT}`, join(scratch, 'shards')],
    );
  });

  it('has its decoder by itself, for work on kept embeddings, and that is the same decoder', async () => {
    const folder = await writeFolder(join(scratch, 'in-parts'), TINY);
    const { load, store } = openWorker();
    const { model } = await load(folder);
    assert.ok(model.decoder!.bytes < model.weights.bytes / 2);
    const models = new Models(new ArtifactStore(store));
    const [whole, decoder] = [await models.open(model), await models.open(model, 'decoder')];
    assert.deepEqual(decoder.shapes, whole.shapes);
    assert.ok(decoder.tensors.size > 0);
    const isEncoder = (name: string) => name.startsWith('vision_encoder.');
    assert.deepEqual(
      [...decoder.tensors.keys()].sort(),
      [...whole.tensors.keys()].filter((name) => !isEncoder(name)).sort(),
    );
    for (const [name, values] of decoder.tensors) assert.deepEqual(values, whole.tensors.get(name), name);
    // A result of an older version has the whole alone.
    const older = await new Models(new ArtifactStore(store)).open({ ...model, decoder: undefined }, 'decoder');
    assert.deepEqual(older.tensors, whole.tensors);
  });

  it('may hold float16 and bfloat16: they are kept as they are and computed with in float32', async () => {
    for (const convert of [asBfloat16, (tensor: SafeTensor) => asFloat16({ ...tensor, ...floored(tensor) })]) {
      const tensors = new Map([...tensorsOf(TINY)].map(([name, tensor]) => [name, convert(tensor)] as const));
      const files = withWeights(TINY, tensors);
      const { load, deps } = openWorker();
      const { model } = await load(await writeFolder(join(scratch, `half-${convert.name}`), files));
      assert.equal(model.weights.sha256, sha256(files['model.safetensors']!));
      const read = await new Models(deps.artifacts).open(model);
      for (const [name, tensor] of tensors) assert.deepEqual(read.tensors.get(name), toFloat32(tensor), name);
    }
  });

  it('is read once: the next import of the same files reads none of the weights', async () => {
    const folder = await writeFolder(join(scratch, 'again'), TINY);
    const { load, store } = openWorker();
    const { cause, ...first } = await load(folder);
    const before = store.counts.put;
    assert.deepEqual(await load(folder), { ...first, reused: true });
    assert.equal(store.counts.put, before);
    await writeFolder(folder, { 'config.json': Buffer.from(`${TINY['config.json']} `) });
    assert.equal((await load(folder)).reused, false);
  });

  const REFUSED: [claim: string, change: (tensors: Map<string, SafeTensor>) => void, code: string, message: RegExp][] =
    [
      [
        'with a tensor of another type than the three is refused, and the tensor is named',
        (tensors) => {
          const { shape } = tensors.get('mask_decoder.iou_token.weight')!;
          tensors.set('mask_decoder.iou_token.weight', { dtype: 'F64', shape, data: new Uint8Array(32 * 8) });
        },
        'SAM_TENSOR_DTYPE',
        /^mask_decoder\.iou_token\.weight: found type F64, expected one of F32, F16, BF16\. Save the model in float32, float16 or bfloat16/,
      ],
      [
        'without a tensor is refused, and the tensor is named',
        (tensors) => void tensors.delete('mask_decoder.iou_token.weight'),
        'SAM_TENSOR_MISSING',
        /^mask_decoder\.iou_token\.weight: found no such tensor/,
      ],
      [
        'with a tensor that SAM does not have is refused, and the tensor is named',
        (tensors) => void tensors.set('adapter.weight', tensors.get('mask_decoder.iou_token.weight')!),
        'SAM_TENSOR_EXTRA',
        /^adapter\.weight/,
      ],
      [
        'with a tensor of another shape is refused, and the tensor is named',
        (tensors) => {
          const tensor = tensors.get('mask_decoder.iou_token.weight')!;
          tensors.set('mask_decoder.iou_token.weight', { ...tensor, shape: [32, 1] });
        },
        'SAM_TENSOR_SHAPE',
        /^mask_decoder\.iou_token\.weight: found shape \[32,1\], expected shape \[1,32\]/,
      ],
    ];
  for (const [claim, change, code, message] of REFUSED) {
    it(`${claim}, before anything is stored`, async () => {
      const tensors = tensorsOf(TINY);
      change(tensors);
      const { load, store } = openWorker();
      const folder = await writeFolder(join(scratch, code), withWeights(TINY, tensors));
      const failure = await failureOf(load(folder));
      assert.deepEqual([failure.type, failure.nonRetryable], [code, true]);
      assert.match(failure.message, message);
      assert.deepEqual(await keysOf(store), []);
    });
  }
});

describe('a checkpoint of the hub', () => {
  it('is recorded with its commit, and asked for again only when the branch has moved', async () => {
    const { hub, worker } = await withHub();
    const { model } = await worker.load('hf:medical/tiny');
    assert.equal(model.origin, `hf:medical/tiny@${COMMIT}`);
    assert.equal(model.weights.sha256, sha256(TINY['model.safetensors']!));

    hub.requests.length = 0;
    assert.equal((await worker.load('hf:medical/tiny')).reused, true);
    assert.deepEqual(
      hub.requests.map(({ path }) => path),
      ['/api/models/medical/tiny/revision/main'],
    );

    hub.requests.length = 0;
    assert.equal((await worker.load(`hf:medical/tiny@${COMMIT}`)).reused, true);
    assert.deepEqual(hub.requests, []);

    Object.assign(hub.models['medical/tiny']!, { refs: { main: LATER } });
    hub.models['medical/tiny']!.commits[LATER] = { ...TINY, 'config.json': Buffer.from(`${TINY['config.json']} `) };
    const later = await worker.load('hf:medical/tiny');
    assert.deepEqual([later.reused, later.model.origin], [false, `hf:medical/tiny@${LATER}`]);
  });

  it('is fetched on by the next attempt, and leaves nothing on the disk once it is stored', async () => {
    const { hub, worker } = await withHub();
    const weights = TINY['model.safetensors']!;
    const killed = new MockActivityEnvironment();
    hub.troubles.storage = [cutAfter(weights, 400_000), () => killed.cancel('CANCELLED')];
    await assert.rejects(worker.load('hf:medical/tiny', killed), CancelledFailure);
    hub.requests.length = 0;
    const { model } = await worker.load('hf:medical/tiny');
    assert.equal(model.weights.sha256, sha256(weights));
    assert.deepEqual(
      hub.requests.flatMap(({ server, range }) => (server === 'storage' ? [range] : [])),
      ['bytes=400000-'],
    );
    assert.deepEqual(await readdir(join(worker.deps.cacheDir, 'hub')), []);
  });

  it('tells by its heartbeats how far it is', { timeout: 20_000 }, async () => {
    const { hub, worker } = await withHub();
    const weights = TINY['model.safetensors']!;
    const slowly: Trouble = (_, response) => {
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 300_000));
      setTimeout(() => response.end(weights.subarray(300_000)), 2_500);
    };
    hub.troubles.storage = [slowly];
    await worker.load('hf:medical/tiny');
    const expected = { fetching: 'model.safetensors', doneBytes: 300_000, totalBytes: weights.length };
    assert.deepEqual(worker.beats[0], expected);
  });

  const REFUSED: [claim: string, checkpoint: string, code: string, message: RegExp][] = [
    ['a model that is not there', 'hf:medical/none', 'HUB_DENIED', /HF_TOKEN/],
    ['a revision that is not there', 'hf:medical/tiny@v7', 'HUB_MISSING', /Check owner, name and revision/],
    ['a name that is none', 'hf:tiny', 'MODEL_REFERENCE', /hf:owner\/name/],
  ];
  for (const [claim, checkpoint, code, message] of REFUSED) {
    it(`is not looked for a second time where another attempt cannot help: ${claim}`, async () => {
      const { worker } = await withHub();
      const failure = await failureOf(worker.load(checkpoint));
      assert.deepEqual([failure.type, failure.nonRetryable], [code, true]);
      assert.match(failure.message, message);
    });
  }

  it('that needs a token leaves it in no result, heartbeat, failure, stored object or file name', async () => {
    const { hub, worker } = await withHub(TINY, TOKEN);
    const result = await worker.load('hf:medical/tiny');
    hub.models['medical/tiny']!.gated = true;
    hub.models['medical/tiny']!.refs.main = LATER;
    hub.models['medical/tiny']!.commits[LATER] = TINY;
    const failure = await failureOf(worker.load('hf:medical/tiny'));
    assert.equal(failure.type, 'HUB_DENIED');
    const seen = inspect([result, worker.beats, failure], { depth: 12, showHidden: true });
    assert.ok(!seen.includes(TOKEN));
    for (const key of await keysOf(worker.store)) {
      const { bytes } = (await worker.store.get(key))!;
      assert.ok(!key.includes(TOKEN) && !Buffer.from(bytes).includes(TOKEN), key);
    }
    for (const name of await readdir(worker.deps.cacheDir, { recursive: true })) assert.ok(!name.includes(TOKEN));
  });
});

/** The values that float16 holds too: bfloat16 ones, without those that are too small for it. */
function floored(tensor: SafeTensor): Pick<SafeTensor, 'dtype' | 'data'> {
  const { data } = asBfloat16(tensor);
  const bits = new Uint16Array(data.buffer);
  return { dtype: 'F32', data: new Uint8Array(Uint32Array.from(bits, (half) => half << 16).buffer) };
}
