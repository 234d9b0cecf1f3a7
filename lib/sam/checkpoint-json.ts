import type { SamConfig } from './config.ts';
import { readProcessor } from './processor.ts';

type Json = Readonly<Record<string, unknown>>;

/** A model that is written: the checkpoint's configuration, and that of the model, which may have another input size. */
export interface WrittenConfig {
  readonly own: SamConfig;
  readonly config: SamConfig;
}

/** `config.json` of a model in float32; what it does not change is as the checkpoint has it. */
export function configJson(checkpoint: unknown, { own, config }: WrittenConfig): Json {
  const json = checkpoint as Json;
  // Both names of the key are in use.
  const names = ['dtype', 'torch_dtype'].filter((key) => key in json);
  const typed = { ...json, ...Object.fromEntries(names.map((key) => [key, 'float32'])) };
  if (config.imageSize === own.imageSize) return typed;
  const resized = { image_size: config.imageSize };
  return {
    ...typed,
    vision_config: { ...(json.vision_config as Json), ...resized },
    prompt_encoder_config: { ...(json.prompt_encoder_config as Json), ...resized, image_embedding_size: config.grid },
  };
}

/** `preprocessor_config.json` of SamImageProcessor likewise; a checkpoint without one (null) gets what it was run with. */
export function processorJson(checkpoint: unknown, { own, config }: WrittenConfig): Json {
  const { imageSize: side, maskSize } = config;
  const sizes = {
    mask_pad_size: { height: maskSize, width: maskSize },
    mask_size: { longest_edge: maskSize },
    pad_size: { height: side, width: side },
    size: { longest_edge: side },
  };
  if (checkpoint !== null) return side === own.imageSize ? (checkpoint as Json) : { ...(checkpoint as Json), ...sizes };
  const { mean, std, rescale } = readProcessor(null, own);
  const steps = ['do_convert_rgb', 'do_normalize', 'do_pad', 'do_rescale', 'do_resize'].map((key) => [key, true]);
  return {
    ...Object.fromEntries(steps),
    ...{ image_mean: mean, image_std: std, rescale_factor: rescale, resample: 2 },
    ...{ image_processor_type: 'SamImageProcessor', processor_class: 'SamProcessor' },
    ...sizes,
  };
}

/** Keys whose values are real numbers: Python's readers refuse a whole one without a decimal point. */
const REAL = new Set([
  ...['mlp_ratio', 'layer_norm_eps', 'attention_dropout', 'dropout', 'initializer_range', 'initializer_factor'],
  ...['rescale_factor', 'image_mean', 'image_std'],
]);
const MARK = 'real number ';

/** The text of one of the files above; JSON knows one kind of number, transformers two. */
export function checkpointText(json: Json): string {
  const mark = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(mark);
    return typeof value === 'number' && Number.isInteger(value) ? `${MARK}${value}` : value;
  };
  const text = JSON.stringify(json, (key, value: unknown) => (REAL.has(key) ? mark(value) : value), 2);
  return `${text.replace(new RegExp(`"${MARK}(-?\\d+)"`, 'g'), '$1.0')}\n`;
}
