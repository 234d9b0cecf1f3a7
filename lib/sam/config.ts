import { z } from 'zod';
import { Fault } from '../fault.ts';

/**
 * `config.json` of a Hugging Face SamModel. Defaults are those of transformers' SamConfig, so a file that leaves a key
 * out means what it means there. Keys that do not change the computation are ignored; a value that we would compute
 * differently is refused.
 */
const activation = z.enum(['gelu', 'relu']);
const Vision = z.object({
  hidden_size: z.int().positive().default(768),
  output_channels: z.int().positive().default(256),
  num_hidden_layers: z.int().positive().default(12),
  num_attention_heads: z.int().positive().default(12),
  num_channels: z.literal(3).default(3),
  image_size: z.int().positive().default(1024),
  patch_size: z.int().positive().default(16),
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-6),
  qkv_bias: z.boolean().default(true),
  attention_dropout: z.literal(0).default(0),
  mlp_ratio: z.number().positive().default(4),
  mlp_dim: z.int().positive().nullish(),
  use_abs_pos: z.boolean().default(true),
  use_rel_pos: z.boolean().default(true),
  window_size: z.int().nonnegative().default(14),
  global_attn_indexes: z.array(z.int().nonnegative()).default([2, 5, 8, 11]),
  num_pos_feats: z.int().positive().default(128),
});
const Prompt = z.object({
  hidden_size: z.int().positive().default(256),
  image_size: z.int().positive().default(1024),
  patch_size: z.int().positive().default(16),
  mask_input_channels: z.int().positive().multipleOf(4).default(16),
  num_point_embeddings: z.literal(4).default(4),
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-6),
});
const Decoder = z.object({
  hidden_size: z.int().positive().multipleOf(8).default(256),
  hidden_act: activation.default('relu'),
  mlp_dim: z.int().positive().default(2048),
  num_hidden_layers: z.int().positive().default(2),
  num_attention_heads: z.int().positive().default(8),
  attention_downsample_rate: z.int().positive().default(2),
  num_multimask_outputs: z.int().positive().default(3),
  iou_head_depth: z.int().min(2).default(3),
  iou_head_hidden_dim: z.int().positive().default(256),
  layer_norm_eps: z.number().positive().default(1e-6),
});
const HuggingFaceConfig = z.object({
  model_type: z.literal('sam').default('sam'),
  vision_config: Vision.prefault({}),
  prompt_encoder_config: Prompt.prefault({}),
  mask_decoder_config: Decoder.prefault({}),
});

export interface SamConfig {
  readonly vision: Readonly<z.infer<typeof Vision>> & { readonly mlp_dim: number };
  readonly prompt: Readonly<z.infer<typeof Prompt>>;
  readonly decoder: Readonly<z.infer<typeof Decoder>>;
  /** Side of the square model input, pixels. */
  readonly imageSize: number;
  /** Side of the embedding grid: imageSize / patch size. */
  readonly grid: number;
  /** Side of the low-resolution masks: 4 x grid. */
  readonly maskSize: number;
}

/** Reads a parsed `config.json`. Throws SAM_CONFIG where a key is wrong or two keys contradict each other. */
export function readSamConfig(json: unknown): SamConfig {
  const parsed = HuggingFaceConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    refuse(issue.path.join('.') || 'config.json', issue.message, 'a value that SamModel allows');
  }
  const { vision_config, prompt_encoder_config: prompt, mask_decoder_config: decoder } = parsed.data;
  const vision = {
    ...vision_config,
    mlp_dim: vision_config.mlp_dim ?? Math.trunc(vision_config.hidden_size * vision_config.mlp_ratio),
  };
  const { image_size: imageSize, patch_size: patch, hidden_size: width, num_attention_heads: heads } = vision;
  const same = (key: string, found: number, expected: number) =>
    found === expected || refuse(key, String(found), String(expected));
  same('vision_config.image_size', imageSize % patch, 0);
  same('vision_config.hidden_size', width % heads, 0);
  same('prompt_encoder_config.image_size', prompt.image_size, imageSize);
  same('prompt_encoder_config.patch_size', prompt.patch_size, patch);
  same('prompt_encoder_config.hidden_size', prompt.hidden_size, decoder.hidden_size);
  same('vision_config.output_channels', vision.output_channels, decoder.hidden_size);
  same('vision_config.num_pos_feats', vision.num_pos_feats * 2, decoder.hidden_size);
  same(
    'mask_decoder_config.hidden_size',
    decoder.hidden_size % (decoder.attention_downsample_rate * decoder.num_attention_heads),
    0,
  );
  const grid = imageSize / patch;
  return { vision, prompt, decoder, imageSize, grid, maskSize: 4 * grid };
}

function refuse(key: string, found: string, expected: string): never {
  throw new Fault('SAM_CONFIG', {
    at: key,
    found,
    expected,
    fix: 'Use the config.json that belongs to the checkpoint',
  });
}
