import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exportModel } from '../../cli/export-model.ts';
import { RunConfig } from '../../contracts/config.ts';
import { PipelineResult } from '../../contracts/pipeline.ts';
import { ModelPackage } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { readBytes } from '../../lib/artifacts/parts.ts';
import { openFolder } from '../../lib/pretrained/folder.ts';
import { readPretrained } from '../../lib/pretrained/open.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../../lib/safetensors.ts';
import { exportDecoder } from '../../lib/sam/export-decoder.ts';
import { atInputSize } from '../../lib/sam/input-size.ts';
import { encodeCheckpoint, readSamModel, withTensors } from '../../lib/sam/model.ts';
import { scratchFolder } from '../helpers/archives.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';
import { asBfloat16, type ModelFiles, tensorsOf, tinyModelFiles, withWeights } from '../helpers/model-folder.ts';

const scratch = await scratchFolder();
const PATIENTS = ['p-000000000001', 'p-000000000002', 'p-000000000003'] as const;
const TUNED = 'mask_decoder.iou_token.weight';
const { slices, prompts } = RunConfig.parse({
  name: 'liver-ct',
  source: { kind: 'phantom' },
  dataset: { target: 'liver', pattern: { image: '{patient}/a', mask: '{patient}/b' } },
});

/** A tensor like the base's of this name, with other values. */
function tuned(name = TUNED): Map<string, SafeTensor> {
  const { shape } = tensorsOf(tinyModelFiles()).get(TUNED)!;
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
  return new Map([[name, { dtype: 'F32', shape, data: new Uint8Array(values.buffer) }]]);
}

/** A run that has ended, and the store with its artifacts. */
async function finishedRun(
  files: ModelFiles = tinyModelFiles(),
  replaced = tuned(),
  { preprocessor = null, inputSize }: { preprocessor?: unknown; inputSize?: number } = {},
) {
  const store = new MemoryStore();
  const artifacts = new ArtifactStore(store);
  const model = {
    ...{ name: 'sam-tiny', origin: '/scans/of/somebody/sam-tiny' },
    config: await artifacts.putJson('model-config', JSON.parse(Buffer.from(files['config.json']!).toString())),
    preprocessor: await artifacts.putJson('model-preprocessor', preprocessor),
    weights: await artifacts.put('weights', files['model.safetensors']!),
    embeddingShape: [32, 8, 8] as [number, number, number],
    ...(inputSize && { inputSize }),
  };
  const weights = await artifacts.put('weights', encodeSafetensors(replaced));
  const metrics = { zeroShot: { dice: 0.5, iou: 0.4 }, fineTuned: { dice: 0.875, iou: 0.75 } };
  const fingerprint = 'f'.repeat(64);
  const structures = [{ name: 'liver', label: null }];
  const packaged = ModelPackage.parse({
    ...{
      name: 'liver-ct',
      target: 'liver',
      model,
      weights,
      slices,
      prompts,
      structures,
      priors: [],
      metrics,
      fingerprint,
    },
    ...{ learnedFrom: [PATIENTS[0], PATIENTS[1]], heldOut: [PATIENTS[2]] },
  });
  const some = await artifacts.put('report', Buffer.from('-'));
  const outcome = { reused: false, seconds: 1 };
  const result = PipelineResult.parse({
    ...{ run: 'liver-ct-0123456789ab', name: 'liver-ct', target: 'liver', stages: [], metrics, fingerprint },
    split: { train: [PATIENTS[0]], val: [PATIENTS[1]], test: [PATIENTS[2]], record: some, ...outcome },
    ...{
      structures,
      patients: [],
      test: [],
      model,
      weights,
      evaluation: some,
      curves: some,
      masks: [],
      report: some,
      repairs: [],
    },
    package: await artifacts.putJson('model-package', packaged),
  });
  return { result, artifacts, store };
}

let folders = 0;
const freshFolder = async (): Promise<string> => {
  const folder = join(scratch, `${folders++}`);
  await mkdir(folder);
  return folder;
};

describe('a Hugging Face folder', () => {
  it('holds the base model with the fine-tuned tensors in it, and loads again', async () => {
    const { result, artifacts } = await finishedRun();
    const folder = await freshFolder();
    const files = await exportModel('hf', result, artifacts, folder);
    assert.deepEqual((await readdir(folder)).sort(), [
      'README.md',
      'config.json',
      'model.safetensors',
      'preprocessor_config.json',
    ]);
    for (const { path, bytes, sha256 } of files) {
      const content = await readFile(path);
      assert.deepEqual([content.length, createHash('sha256').update(content).digest('hex')], [bytes, sha256]);
    }
    const { config, preprocessor, weights } = await readPretrained(openFolder(folder, folder));
    const { tensors } = decodeSafetensors(await readBytes(weights.source, 0, weights.source.bytes));
    const read = readSamModel({ config, preprocessor, tensors });
    const base = readSamModel({ config, preprocessor: null, tensors: tensorsOf(tinyModelFiles()) });
    const expected = withTensors(base, tuned());
    assert.deepEqual(encodeCheckpoint(read.shapes, read.tensors), encodeCheckpoint(expected.shapes, expected.tensors));
    assert.deepEqual(read.processor, base.processor);
  });

  it('has the same bytes each time, and again when what was written becomes the base', async () => {
    const { result, artifacts } = await finishedRun();
    const written: ModelFiles[] = [];
    const read = async (folder: string): Promise<ModelFiles> =>
      Object.fromEntries(
        await Promise.all((await readdir(folder)).map(async (name) => [name, await readFile(join(folder, name))])),
      );
    for (let i = 0; i < 2; i++) {
      const folder = await freshFolder();
      await exportModel('hf', result, artifacts, folder);
      written.push(await read(folder));
    }
    assert.deepEqual(written[0], written[1]);
    const again = await finishedRun(written[0], new Map(), {
      preprocessor: JSON.parse(String(written[0]!['preprocessor_config.json'])),
    });
    const folder = await freshFolder();
    await exportModel('hf', again.result, again.artifacts, folder);
    const { 'README.md': _, ...files } = await read(folder);
    const { 'README.md': __, ...before } = written[0]!;
    assert.deepEqual(files, before);
  });

  it('is in float32, and says so, also where the base model was not', async () => {
    const files = tinyModelFiles();
    const config = { ...JSON.parse(String(files['config.json'])), dtype: 'bfloat16', torch_dtype: 'bfloat16' };
    const half = withWeights(
      { 'config.json': Buffer.from(JSON.stringify(config)) },
      [...tensorsOf(files)].map(([name, tensor]) => [name, asBfloat16(tensor)] as const),
    );
    const { result, artifacts } = await finishedRun(half);
    const folder = await freshFolder();
    await exportModel('hf', result, artifacts, folder);
    const written = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    assert.deepEqual([written.dtype, written.torch_dtype], ['float32', 'float32']);
    const { tensors } = decodeSafetensors(await readFile(join(folder, 'model.safetensors')));
    assert.ok([...tensors.values()].every(({ dtype }) => dtype === 'F32'));
    assert.equal(Buffer.compare(tensors.get(TUNED)!.data, tuned().get(TUNED)!.data), 0);
  });

  it('is of the input size that the run had: positions, configuration and processor', async () => {
    const own = readSamModel({
      config: JSON.parse(String(tinyModelFiles()['config.json'])),
      preprocessor: null,
      tensors: tensorsOf(tinyModelFiles()),
    });
    const expected = withTensors(atInputSize(own, 64), tuned());
    for (const preprocessor of [
      null,
      { size: { longest_edge: 128 }, pad_size: { height: 128, width: 128 }, resample: 2 },
    ]) {
      const { result, artifacts } = await finishedRun(tinyModelFiles(), tuned(), { inputSize: 64, preprocessor });
      const folder = await freshFolder();
      await exportModel('hf', result, artifacts, folder);
      const { weights, ...json } = await readPretrained(openFolder(folder, folder));
      const { tensors } = decodeSafetensors(await readBytes(weights.source, 0, weights.source.bytes));
      const read = readSamModel({ ...json, tensors });
      assert.deepEqual([read.config.imageSize, read.config.grid, read.processor.size], [64, 4, 64]);
      assert.deepEqual(
        encodeCheckpoint(read.shapes, read.tensors),
        encodeCheckpoint(expected.shapes, expected.tensors),
      );
      assert.match(await readFile(join(folder, 'README.md'), 'utf8'), /Input: 64 × 64 pixels/);
      const [file] = await exportModel('onnx', result, artifacts, folder);
      assert.ok((await readFile(file!.path)).equals(exportDecoder(expected.config, expected.tensors)));
    }
  });

  it('comes with a card that names run, data, window and scores, and no patient nor folder of this machine', async () => {
    const { result, artifacts } = await finishedRun();
    const folder = await freshFolder();
    await exportModel('hf', result, artifacts, folder);
    const card = await readFile(join(folder, 'README.md'), 'utf8');
    for (const word of [result.run, result.fingerprint, 'soft-tissue', '0.8750', '0.5000', '`sam-tiny`', '1 train']) {
      assert.ok(card.includes(word), word);
    }
    assert.doesNotMatch(card, /p-[0-9a-f]{12}|somebody/);
  });

  it('is not written from weights that were damaged in the store', async () => {
    const { result, artifacts, store } = await finishedRun();
    const { key } = result.model.weights;
    const { bytes } = (await store.get(key))!;
    bytes[bytes.length - 1]! ^= 1;
    await store.put(key, bytes);
    const folder = await freshFolder();
    await assertRejectsWithFault(exportModel('hf', result, artifacts, folder), 'ARTIFACT_CORRUPT');
    assert.deepEqual(await readdir(folder), []);
  });

  it('is refused where the fine-tuned tensors are not the model’s', async () => {
    const { result, artifacts } = await finishedRun(tinyModelFiles(), tuned('adapter.weight'));
    await assertRejectsWithFault(exportModel('hf', result, artifacts, scratch), 'SAM_TENSOR_EXTRA', /adapter\.weight/);
  });
});

describe('decoder.onnx', () => {
  it('holds the fine-tuned decoder, with the same bytes each time', async () => {
    const { result, artifacts } = await finishedRun();
    const folder = await freshFolder();
    const [file] = await exportModel('onnx', result, artifacts, folder);
    assert.deepEqual(await readdir(folder), ['decoder.onnx']);
    const { config, tensors } = withTensors(
      readSamModel({
        config: JSON.parse(String(tinyModelFiles()['config.json'])),
        preprocessor: null,
        tensors: tensorsOf(tinyModelFiles()),
      }),
      tuned(),
    );
    assert.ok((await readFile(file!.path)).equals(exportDecoder(config, tensors)));
    await exportModel('onnx', result, artifacts, folder);
    assert.ok((await readFile(file!.path)).equals(exportDecoder(config, tensors)));
  });
});
