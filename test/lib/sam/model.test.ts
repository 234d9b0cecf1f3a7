import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeSafetensors } from '../../../lib/safetensors.ts';
import { readSamConfig } from '../../../lib/sam/config.ts';
import { encodeCheckpoint, parameterShapes, readSamModel, withTensors } from '../../../lib/sam/model.ts';
import { tinyFiles, tinyModel } from '../../helpers/tiny-model.ts';

const first = 'mask_decoder.iou_token.weight';

test('a checkpoint is complete when every tensor the builders ask for is there', () => {
  const model = tinyModel();
  assert.equal(model.tensors.size, tinyFiles().tensors.size);
});

test('a missing, an extra and a mis-shaped tensor are named', () => {
  const missing = tinyFiles();
  missing.tensors.delete(first);
  assert.throws(() => readSamModel(missing), { code: 'SAM_TENSOR_MISSING', message: new RegExp(first) });

  const extra = tinyFiles();
  extra.tensors.set('decoder.unknown', extra.tensors.get(first)!);
  assert.throws(() => readSamModel(extra), { code: 'SAM_TENSOR_EXTRA', message: /decoder\.unknown/ });

  const wrong = tinyFiles();
  wrong.tensors.set(first, { ...wrong.tensors.get(first)!, shape: [32, 1] });
  assert.throws(() => readSamModel(wrong), {
    code: 'SAM_TENSOR_SHAPE',
    message: /found shape \[32,1\], expected shape \[1,32\]/,
  });
});

test('a tensor of another type than float32, float16 and bfloat16 is named', () => {
  const files = tinyFiles();
  files.tensors.set(first, { dtype: 'F64', shape: [1, 32], data: new Uint8Array(256) });
  assert.throws(() => readSamModel(files), { code: 'SAM_TENSOR_DTYPE', message: /iou_token\.weight: found type F64/ });
  assert.throws(() => withTensors(tinyModel(), files.tensors), { code: 'SAM_TENSOR_DTYPE' });
});

test('a tensor that PyTorch ties to another may stand twice', () => {
  const files = tinyFiles();
  files.tensors.set(
    'prompt_encoder.shared_embedding.positional_embedding',
    files.tensors.get('shared_image_embedding.positional_embedding')!,
  );
  assert.doesNotThrow(() => readSamModel(files));
});

test('what we write loads again, with the same bytes', () => {
  const model = tinyModel();
  const bytes = encodeCheckpoint(model.shapes, model.tensors);
  const again = readSamModel({ ...tinyFiles(), tensors: decodeSafetensors(bytes).tensors });
  assert.deepEqual(encodeCheckpoint(again.shapes, again.tensors), bytes);
});

test('replaced tensors must be of the model', () => {
  const model = tinyModel();
  const tensor = tinyFiles().tensors.get(first)!;
  assert.throws(() => withTensors(model, new Map([['other', tensor]])), { code: 'SAM_TENSOR_EXTRA' });
  assert.equal(withTensors(model, new Map([[first, tensor]])).tensors.size, model.tensors.size);
});

test('an empty config is that of ViT-B, as in the reference implementation', () => {
  const shapes = parameterShapes(readSamConfig({}));
  const total = [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  assert.equal(total, 93_735_728);
  assert.equal(shapes.get('vision_encoder.layers.2.attn.rel_pos_h')?.[0], 127);
});

describe('a config that contradicts itself is refused by key', () => {
  const cases: [string, (config: ReturnType<typeof structured>) => void][] = [
    [
      'vision_config.image_size',
      (c) => {
        c.vision_config.image_size = 130;
      },
    ],
    [
      'vision_config.hidden_act',
      (c) => {
        c.vision_config.hidden_act = 'swish';
      },
    ],
    [
      'prompt_encoder_config.image_size',
      (c) => {
        c.prompt_encoder_config.image_size = 256;
      },
    ],
    [
      'vision_config.output_channels',
      (c) => {
        c.vision_config.output_channels = 40;
      },
    ],
    [
      'mask_decoder_config.hidden_size',
      (c) => {
        c.mask_decoder_config.num_attention_heads = 3;
      },
    ],
    [
      'model_type',
      (c) => {
        c.model_type = 'sam2';
      },
    ],
  ];
  type Section = Record<string, unknown>;
  const structured = () =>
    structuredClone(tinyFiles().config) as {
      model_type: string;
      vision_config: Section;
      prompt_encoder_config: Section;
      mask_decoder_config: Section;
    };
  for (const [key, change] of cases) {
    test(key, () => {
      const config = structured();
      change(config);
      assert.throws(
        () => readSamConfig(config),
        (error: { code: string; details: { at: string } }) => error.code === 'SAM_CONFIG' && error.details.at === key,
      );
    });
  }
});
