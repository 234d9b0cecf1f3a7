import assert from 'node:assert/strict';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { readBytes } from '../../../lib/artifacts/parts.ts';
import { openBucket } from '../../../lib/pretrained/bucket.ts';
import { openFolder } from '../../../lib/pretrained/folder.ts';
import { fingerprintPretrained, openPretrained, readPretrained } from '../../../lib/pretrained/open.ts';
import type { Place } from '../../../lib/pretrained/place.ts';
import { decodeSafetensors } from '../../../lib/safetensors.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import {
  type ModelFiles,
  putFolder,
  sharded,
  tensorsOf,
  tinyModelFiles,
  withWeights,
  writeFolder,
} from '../../helpers/model-folder.ts';

const scratch = await scratchFolder();
let folders = 0;

/** The two kinds of place that anybody can fill; the hub has tests of its own. */
const KINDS: [
  kind: string,
  make: (files: ModelFiles) => Promise<{ place: Place; replace(name: string, bytes: Uint8Array): Promise<unknown> }>,
][] = [
  [
    'a folder',
    async (files) => {
      const folder = await writeFolder(join(scratch, `${folders++}/tiny`), files);
      const replace = async (name: string, bytes: Uint8Array) => {
        await writeFile(join(folder, name), bytes);
        await utimes(join(folder, name), 1, 1);
      };
      return { place: openFolder(folder, folder), replace };
    },
  ],
  [
    'a bucket',
    async (files) => {
      const store = new MemoryStore();
      await putFolder(store, 'models/tiny', files);
      const replace = (name: string, bytes: Uint8Array) => store.put(`models/tiny/${name}`, bytes);
      return { place: openBucket(store, 'data', 'models/tiny'), replace };
    },
  ],
];

const indexOf = (files: ModelFiles): { weight_map: Record<string, string> } =>
  JSON.parse(Buffer.from(files['model.safetensors.index.json']!).toString());
const withIndex = (files: ModelFiles, index: unknown): ModelFiles => ({
  ...files,
  'model.safetensors.index.json': Buffer.from(JSON.stringify(index)),
});
const [FIRST, SECOND] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

async function weightsOf(place: Place): Promise<Buffer> {
  const { source } = (await readPretrained(place)).weights;
  // In pieces that cut through tensors and header.
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < source.bytes; from += 10_007) {
    pieces.push(await readBytes(source, from, Math.min(from + 10_007, source.bytes)));
  }
  return Buffer.concat(pieces);
}

for (const [kind, make] of KINDS) {
  describe(`a model in ${kind}`, () => {
    it('is read as it lies there: configuration, preprocessor and the bytes of its weights', async () => {
      const files = tinyModelFiles();
      const { place } = await make({ ...files, 'preprocessor_config.json': Buffer.from('{"resample": 2}') });
      const read = await readPretrained(place);
      assert.deepEqual(read.config, JSON.parse(Buffer.from(files['config.json']!).toString()));
      assert.deepEqual(read.preprocessor, { resample: 2 });
      assert.deepEqual([...read.weights.tensors.keys()].sort(), [...tensorsOf(files).keys()].sort());
      assert.ok((await weightsOf(place)).equals(files['model.safetensors']!));
      assert.equal(place.name, 'tiny');
    });

    it('may lack a preprocessor', async () => {
      const { place } = await make(tinyModelFiles());
      assert.equal((await readPretrained(place)).preprocessor, null);
    });

    it('in shards is the same model: its files are joined into the one that they were cut from', async () => {
      const files = tinyModelFiles();
      const { place } = await make(sharded(files, 3));
      const joined = await weightsOf(place);
      assert.deepEqual(decodeSafetensors(joined).tensors, tensorsOf(files));
      assert.deepEqual(decodeSafetensors(joined).metadata, { format: 'pt' });
      assert.ok(joined.equals(withWeights(files, tensorsOf(files))['model.safetensors']!));
    });

    it('has another fingerprint once one of its files is another', async () => {
      const files = sharded(tinyModelFiles(), 2);
      const { place, replace } = await make(files);
      const before = await fingerprintPretrained(place);
      assert.deepEqual(await fingerprintPretrained(place), before);
      await replace(SECOND, files[FIRST]!);
      assert.notDeepEqual(await fingerprintPretrained(place), before);
    });

    it('that changes while it is read is not half of one and half of another', async () => {
      const files = tinyModelFiles();
      const { place, replace } = await make(files);
      const { source } = (await readPretrained(place)).weights;
      await replace('model.safetensors', Buffer.from(files['model.safetensors']!).fill(1, 1000));
      await assertRejectsWithFault(
        readBytes(source, 0, 100),
        'MODEL_FILE_CHANGED',
        /model\.safetensors: found another file/,
      );
    });

    const BROKEN: [claim: string, change: (files: ModelFiles) => ModelFiles, code: string, message: RegExp][] = [
      [
        'without a configuration is refused',
        ({ 'config.json': _, ...files }) => files,
        'MODEL_FILE_MISSING',
        /tiny without a readable config\.json.*hf:owner\/name/,
      ],
      [
        'without weights is refused',
        ({ 'model.safetensors': _, ...files }) => files,
        'MODEL_FILE_MISSING',
        /tiny without a readable model\.safetensors,/,
      ],
      [
        'with weights that can run code is refused, and says what it wants instead',
        ({ 'model.safetensors': weights, ...files }) => ({ ...files, 'pytorch_model.bin': weights! }),
        'MODEL_FILE_MISSING',
        /but with pytorch_model\.bin.*Save the model as safetensors/,
      ],
      [
        'with a configuration that is no JSON is refused',
        (files) => ({ ...files, 'config.json': Buffer.from('{') }),
        'MODEL_JSON',
        /^config\.json: found no JSON/,
      ],
      [
        'whose weights are cut off is refused',
        (files) => ({ ...files, 'model.safetensors': files['model.safetensors']!.subarray(0, 400_000) }),
        'SAFETENSORS_TRUNCATED',
        /^model\.safetensors: found 400000 bytes/,
      ],
      [
        'that lacks a shard is refused, and the shard is named',
        (files) => {
          const { [SECOND]: _, ...rest } = sharded(files, 2);
          return rest;
        },
        'MODEL_FILE_MISSING',
        new RegExp(`tiny without a readable ${SECOND}`),
      ],
      [
        'with a tensor that is not in its shard is refused, and the tensor is named',
        (files) => {
          const shards = sharded(files, 2);
          const tensors = decodeSafetensors(shards[FIRST]!).tensors;
          tensors.delete('mask_decoder.iou_token.weight');
          return { ...shards, [FIRST]: withWeights({}, tensors)['model.safetensors']! };
        },
        'MODEL_INDEX',
        new RegExp(`tensor mask_decoder\\.iou_token\\.weight in no shard, expected it in ${FIRST}, as the index says`),
      ],
      [
        'with a tensor in another shard than the index says is refused',
        (files) => {
          const shards = sharded(files, 2);
          const { weight_map } = indexOf(shards);
          return withIndex(shards, { weight_map: { ...weight_map, 'mask_decoder.iou_token.weight': SECOND } });
        },
        'MODEL_INDEX',
        new RegExp(`tensor mask_decoder\\.iou_token\\.weight in ${FIRST}, expected it in ${SECOND}`),
      ],
      [
        'with a tensor that the index does not know is refused',
        (files) => {
          const shards = sharded(files, 2);
          const { 'mask_decoder.iou_token.weight': _, ...weight_map } = indexOf(shards).weight_map;
          return withIndex(shards, { weight_map });
        },
        'MODEL_INDEX',
        new RegExp(`tensor mask_decoder\\.iou_token\\.weight in ${FIRST}, expected it in no shard`),
      ],
      [
        'with one tensor in two shards is refused',
        (files) => {
          const shards = sharded(files, 2);
          const both = [
            ...decodeSafetensors(shards[SECOND]!).tensors,
            [...decodeSafetensors(shards[FIRST]!).tensors][0]!,
          ];
          return { ...shards, [SECOND]: withWeights({}, both)['model.safetensors']! };
        },
        'MODEL_INDEX',
        new RegExp(`tensor \\S+ in ${FIRST} and in ${SECOND}, expected each tensor in one shard`),
      ],
      [
        'whose index leads out of the folder is refused',
        (files) => withIndex(sharded(files, 2), { weight_map: { a: '../secret.safetensors' } }),
        'MODEL_INDEX',
        /no map from tensors to \.safetensors files/,
      ],
    ];
    for (const [claim, change, code, message] of BROKEN) {
      it(claim, async () => {
        const { place } = await make(change(tinyModelFiles()));
        await assertRejectsWithFault(readPretrained(place), code, message);
      });
    }
  });
}

describe('model.checkpoint', () => {
  const options = {
    ...{ modelsDir: scratch, cacheDir: scratch, endpoint: 'http://127.0.0.1:1', token: null },
    openBucket: () => new MemoryStore(),
  };

  it('names a model that comes with samflow, or a folder', async () => {
    const folder = await writeFolder(join(scratch, 'shipped'), tinyModelFiles());
    for (const checkpoint of ['shipped', folder]) {
      const place = await openPretrained(checkpoint, options);
      assert.deepEqual([place.name, place.origin, place.pinned], ['shipped', checkpoint, false]);
      assert.ok(await place.state('config.json'));
    }
  });

  it('names a prefix of a bucket of the store’s server', async () => {
    const store = new MemoryStore();
    await putFolder(store, 'a/b', tinyModelFiles());
    const asked: string[] = [];
    const openBucketOf = (bucket: string) => {
      asked.push(bucket);
      return store;
    };
    const place = await openPretrained('s3://models/a/b/', { ...options, openBucket: openBucketOf });
    assert.deepEqual([place.name, place.origin, asked], ['b', 's3://models/a/b', ['models']]);
    assert.ok(await place.state('config.json'));
  });

  it('that is a name of the hub without its scheme gets the right name told', async () => {
    const place = await openPretrained('facebook/sam-vit-base', options);
    await assertRejectsWithFault(
      fingerprintPretrained(place),
      'MODEL_FILE_MISSING',
      /Write hf:facebook\/sam-vit-base if the model of the Hugging Face hub is meant/,
    );
  });
});
