import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { streamTensors } from '../../../lib/pretrained/tensor-stream.ts';
import { writeWeights } from '../../../lib/pretrained/write-weights.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../../../lib/safetensors.ts';
import { encodeCheckpoint, withTensors } from '../../../lib/sam/model.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { tensorsOf, tinyModelFiles } from '../../helpers/model-folder.ts';
import { tinyModel } from '../../helpers/tiny-model.ts';

const scratch = await scratchFolder();
const WEIGHTS = tinyModelFiles()['model.safetensors']!;
const { shapes, tensors } = tinyModel();
const NONE = new Map<string, SafeTensor>();
const TUNED = 'mask_decoder.iou_token.weight';
let files = 0;
const target = () => join(scratch, `${files++}-model.safetensors`);

/** The bytes in pieces of a size that cuts through everything. */
async function* parts(bytes: Uint8Array, size = 9_973): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function write(weights: Uint8Array, replaced: ReadonlyMap<string, SafeTensor> = NONE): Promise<Buffer> {
  const path = target();
  await writeWeights(path, shapes, streamTensors(parts(weights), weights.length, 'weights'), replaced);
  return readFile(path);
}

describe('weights that are written', () => {
  it('are byte for byte those that the whole model in memory would give', async () => {
    assert.ok((await write(WEIGHTS)).equals(encodeCheckpoint(shapes, tensors)));
  });

  it('are the same bytes again after they were read and written once more', async () => {
    const first = await write(WEIGHTS);
    assert.ok((await write(first)).equals(first));
  });

  it('do not depend on the order in which the base has its tensors, nor on what it has beside them', async () => {
    const tied = 'prompt_encoder.shared_embedding.positional_embedding';
    const names = [...tensorsOf({ 'model.safetensors': WEIGHTS })];
    const more = [
      ...names,
      [tied, names[0]![1]] as const,
      ['zzz', { ...names[0]![1], dtype: 'F32' as const }] as const,
    ];
    assert.ok((await write(encodeSafetensors(more))).equals(await write(WEIGHTS)));
  });

  it('hold the fine-tuned tensors in the place of the base’s', async () => {
    const shape = [...shapes.get(TUNED)!];
    const values = Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => i / 7);
    const replaced = new Map([[TUNED, { dtype: 'F32' as const, shape, data: new Uint8Array(values.buffer) }]]);
    const tuned = withTensors(tinyModel(), replaced);
    const written = await write(WEIGHTS, replaced);
    assert.ok(written.equals(encodeCheckpoint(shapes, tuned.tensors)));
    assert.equal(decodeSafetensors(written).metadata.format, 'pt');
  });

  it('are not there at all when something goes wrong on the way', async () => {
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield* parts(WEIGHTS);
      throw new Error('not the bytes that were asked for');
    }
    const path = target();
    await assert.rejects(
      writeWeights(path, shapes, streamTensors(damaged(), WEIGHTS.length, 'weights'), NONE),
      /not the bytes that were asked for/,
    );
    const lacking = new Map(tensorsOf({ 'model.safetensors': WEIGHTS }));
    lacking.delete(TUNED);
    const bytes = encodeSafetensors(lacking);
    await assert.rejects(
      writeWeights(path, shapes, streamTensors(parts(bytes), bytes.length, 'weights'), NONE),
      /there is no mask_decoder\.iou_token\.weight/,
    );
    assert.ok(!(await readdir(scratch)).some((name) => path.endsWith(name) || name.endsWith('.part')));
  });
});

describe('tensors as a stream', () => {
  it('come in the order of the file, each as it is in the file', async () => {
    const found: [string, SafeTensor][] = [];
    for await (const [name, tensor] of streamTensors(parts(WEIGHTS, 64_000), WEIGHTS.length, 'weights')) {
      found.push([name, tensor]);
    }
    const { tensors: expected } = decodeSafetensors(WEIGHTS);
    assert.deepEqual(
      new Map(found),
      new Map([...expected].map(([name, { data, ...rest }]) => [name, { ...rest, data: new Uint8Array(data) }])),
    );
  });

  it('that end early are an error', async () => {
    const drain = async () => {
      for await (const _ of streamTensors(parts(WEIGHTS.subarray(0, 400_000)), WEIGHTS.length, 'weights'));
    };
    await assert.rejects(drain, /the parts end/);
  });
});
