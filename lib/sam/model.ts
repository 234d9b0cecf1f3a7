import { Fault } from '../fault.ts';
import { input, type Shape, sameShape } from '../graph/index.ts';
import { type DType, encodeSafetensors, type SafeTensor, toFloat32 } from '../safetensors.ts';
import { readSamConfig, type SamConfig } from './config.ts';
import { decode } from './mask-decoder.ts';
import { type Parameters, traceParameters } from './parameters.ts';
import { readProcessor, type SamProcessor } from './processor.ts';
import { visionEncoder } from './vision-encoder.ts';

/** Of a model, all tensors, or those without the image encoder's: a tenth or less, and enough for work on kept embeddings. */
export type ModelPart = 'whole' | 'decoder';

export const belongsTo = (part: ModelPart, name: string): boolean =>
  part === 'whole' || !name.startsWith('vision_encoder.');

/** A checked SamModel: every tensor of the part that was asked for is there, in its shape, as float32. */
export interface SamModel {
  readonly config: SamConfig;
  readonly processor: SamProcessor;
  /** Float32 values by Hugging Face name. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** Of the whole model. */
  readonly shapes: ReadonlyMap<string, Shape>;
}

export interface CheckpointFiles {
  /** Parsed `config.json`. */
  readonly config: unknown;
  /** Parsed `preprocessor_config.json`, or null for the defaults of SamImageProcessor. */
  readonly preprocessor: unknown;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

/** Tensors that some files hold twice because PyTorch ties them. */
const TIED = new Map([
  ['prompt_encoder.shared_embedding.positional_embedding', 'shared_image_embedding.positional_embedding'],
]);

/** Names and shapes of all tensors of a SamModel, learned from the builders themselves. */
export function parameterShapes(config: SamConfig): Map<string, Shape> {
  return traceParameters((p: Parameters) => {
    const { grid, maskSize, imageSize, decoder } = config;
    visionEncoder(p, config, input('pixels', 'float32', [1, 3, imageSize, imageSize]));
    const embeddings = input('embeddings', 'float32', [1, decoder.hidden_size, grid, grid]);
    const points = input('points', 'float32', [1, 1, 1, 2]);
    const labels = input('labels', 'float32', [1, 1, 1]);
    const boxes = input('boxes', 'float32', [1, 1, 4]);
    const masks = input('masks', 'float32', [1, 1, maskSize, maskSize]);
    decode(p, config, embeddings, { points, labels, boxes }, 'single');
    decode(p, config, embeddings, { boxes, masks }, 'multi');
  });
}

/** Types of weights on disk; all of them become float32. */
const DTYPES: readonly DType[] = ['F32', 'F16', 'BF16'];

/** What a tensor is, without its values. */
interface TensorHead {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * Checks which tensors a checkpoint has, without their values: a header is enough.
 * Throws SAM_TENSOR_MISSING, SAM_TENSOR_SHAPE, SAM_TENSOR_DTYPE or SAM_TENSOR_EXTRA.
 */
export function checkTensors(shapes: ReadonlyMap<string, Shape>, files: ReadonlyMap<string, TensorHead>): void {
  for (const [name, shape] of shapes) {
    const found = files.get(name);
    if (!found) refuse('SAM_TENSOR_MISSING', name, 'no such tensor', `shape [${shape}]`);
    checkTensor(name, found, shape);
  }
  for (const name of files.keys()) {
    if (!shapes.has(name) && !TIED.has(name))
      refuse('SAM_TENSOR_EXTRA', name, 'a tensor that the config does not ask for', 'none');
  }
}

function checkTensor(name: string, { dtype, shape }: TensorHead, expected: Shape): void {
  if (!sameShape(shape, expected)) refuse('SAM_TENSOR_SHAPE', name, `shape [${shape}]`, `shape [${expected}]`);
  if (DTYPES.includes(dtype)) return;
  throw new Fault('SAM_TENSOR_DTYPE', {
    at: name,
    found: `type ${dtype}`,
    expected: `one of ${DTYPES.join(', ')}`,
    fix: 'Save the model in float32, float16 or bfloat16',
  });
}

/** Checks a checkpoint against its own config. Throws SAM_CONFIG, SAM_PROCESSOR, and as `checkTensors`. */
export function readSamModel(
  { config: json, preprocessor, tensors: files }: CheckpointFiles,
  part: ModelPart = 'whole',
): SamModel {
  const config = readSamConfig(json);
  const shapes = parameterShapes(config);
  const asked = new Map([...shapes].filter(([name]) => belongsTo(part, name)));
  checkTensors(asked, files);
  const tensors = new Map([...asked.keys()].map((name) => [name, toFloat32(files.get(name)!)] as const));
  return { config, processor: readProcessor(preprocessor, config), tensors, shapes };
}

/** Whether replaced tensors change what the encoder makes of an image. */
export const changesEncoder = (replaced: ReadonlyMap<string, unknown>): boolean =>
  [...replaced.keys()].some((name) => !belongsTo('decoder', name));

/** The model with some tensors replaced, such as a fine-tuned decoder's. Throws where a name or a shape does not fit. */
export function withTensors(model: SamModel, replaced: ReadonlyMap<string, SafeTensor>): SamModel {
  checkReplaced(model.shapes, replaced);
  const tensors = new Map(model.tensors);
  for (const [name, tensor] of replaced) tensors.set(name, toFloat32(tensor));
  return { ...model, tensors };
}

/** Each tensor must be one of the model's, in its shape. Throws SAM_TENSOR_EXTRA, SAM_TENSOR_SHAPE or SAM_TENSOR_DTYPE. */
export function checkReplaced(shapes: ReadonlyMap<string, Shape>, replaced: ReadonlyMap<string, TensorHead>): void {
  for (const [name, tensor] of replaced) {
    const shape = shapes.get(name);
    if (!shape) refuse('SAM_TENSOR_EXTRA', name, 'a tensor that the model does not have', 'a tensor of the model');
    checkTensor(name, tensor, shape);
  }
}

/** `model.safetensors` in Hugging Face's layout; the same model gives the same bytes. */
export function encodeCheckpoint(
  shapes: ReadonlyMap<string, Shape>,
  tensors: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const entries = [...shapes].map(
    ([name, shape]) =>
      [name, { dtype: 'F32' as const, shape, data: tensors.get(name)! }] as [
        string,
        { dtype: 'F32'; shape: Shape; data: Float32Array },
      ],
  );
  return encodeSafetensors(entries, { format: 'pt' });
}

function refuse(code: string, at: string, found: string, expected: string): never {
  throw new Fault(code, {
    at,
    found,
    expected,
    fix: 'Use a complete SamModel checkpoint whose config.json belongs to it',
  });
}
