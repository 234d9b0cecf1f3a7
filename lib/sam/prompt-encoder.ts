import {
  add,
  concat,
  constant,
  cos,
  equal,
  expand,
  matmul,
  mul,
  reshape,
  scalar,
  sin,
  sub,
  transpose,
  type Value,
  where,
} from '../graph/index.ts';
import type { SamConfig } from './config.ts';
import { ACTIVATIONS, norm, patchConvolution, pointConvolution } from './layers.ts';
import { type Parameters, under } from './parameters.ts';

/** Prompts of B images with K prompts each, in pixels of the model's input. At least points or boxes are given. */
export interface PromptValues {
  /** [B, K, P, 2] as x, y, with `labels`. */
  readonly points?: Value;
  /** [B, K, P]: 1 foreground, 0 background, -1 not a point, -10 ignored. */
  readonly labels?: Value;
  /** [B, K, 4] as x0, y0, x1, y1. */
  readonly boxes?: Value;
  /** [B, 1, 4 grid, 4 grid] logits of an earlier mask. */
  readonly masks?: Value;
}

export interface PromptEmbeddings {
  /** [B * K, T, C] */
  readonly sparse: Value;
  /** [B or 1, grid², C], added to the image embedding. */
  readonly dense: Value;
}

/** SamPromptEncoder of Hugging Face transformers. */
export function promptEncoder(parameters: Parameters, config: SamConfig, prompts: PromptValues): PromptEmbeddings {
  const p = under(parameters, 'prompt_encoder');
  const tokens: Value[] = [];
  if (prompts.points && prompts.labels) {
    tokens.push(embedPoints(parameters, config, prompts.points, prompts.labels, prompts.boxes === undefined));
  }
  if (prompts.boxes) tokens.push(embedBoxes(parameters, config, prompts.boxes));
  const dense = prompts.masks
    ? embedMasks(under(p, 'mask_embed'), config, prompts.masks)
    : reshape(p('no_mask_embed.weight', [1, config.prompt.hidden_size]), [1, 1, config.prompt.hidden_size]);
  return { sparse: concat(tokens, 1), dense };
}

/** Sine-cosine features [..., C] of places [..., 2] (x, y) given as fractions of the side, through a random projection. */
function positionalFeatures(parameters: Parameters, config: SamConfig, fractions: Value): Value {
  const projection = parameters('shared_image_embedding.positional_embedding', [2, config.vision.num_pos_feats]);
  const phase = mul(matmul(sub(mul(fractions, 2), scalar(1)), projection), 2 * Math.PI);
  return concat([sin(phase), cos(phase)], phase.shape.length - 1);
}

/** Positional encoding of the embedding grid, [1, grid², C]: each cell at its centre. */
export function gridPositions(parameters: Parameters, config: SamConfig): Value {
  const { grid } = config;
  const centres = Array.from({ length: grid * grid }, (_, at) => [
    ((at % grid) + 0.5) / grid,
    (Math.floor(at / grid) + 0.5) / grid,
  ]);
  return positionalFeatures(parameters, config, constant(centres.flat(), [1, grid * grid, 2]));
}

const token = (parameters: Parameters, config: SamConfig, name: string): Value =>
  parameters(`prompt_encoder.${name}.weight`, [1, config.prompt.hidden_size]);

function embedPoints(parameters: Parameters, config: SamConfig, points: Value, labels: Value, padded: boolean): Value {
  const [b, k, count] = labels.shape as [number, number, number];
  let centres = add(reshape(points, [b * k, count, 2]), 0.5);
  let kinds = reshape(labels, [b * k, count, 1]);
  if (padded) {
    // Without a box, SAM was trained with one more token that is not a point.
    centres = concat([centres, constant(new Float32Array(b * k * 2), [b * k, 1, 2])], 1);
    kinds = concat([kinds, constant(new Float32Array(b * k).fill(-1), [b * k, 1, 1])], 1);
  }
  const features = positionalFeatures(parameters, config, mul(centres, 1 / config.imageSize));
  const is = (label: number) => equal(kinds, label);
  const not = token(parameters, config, 'not_a_point_embed');
  let x = where(is(-1), expand(not, features.shape), features);
  x = where(is(-10), scalar(0), x);
  x = where(is(0), add(x, token(parameters, config, 'point_embed.0')), x);
  return where(is(1), add(x, token(parameters, config, 'point_embed.1')), x);
}

function embedBoxes(parameters: Parameters, config: SamConfig, boxes: Value): Value {
  const [b, k] = boxes.shape as [number, number];
  const corners = add(reshape(boxes, [b * k, 2, 2]), 0.5);
  const features = positionalFeatures(parameters, config, mul(corners, 1 / config.imageSize));
  const kinds = concat([token(parameters, config, 'point_embed.2'), token(parameters, config, 'point_embed.3')], 0);
  return add(features, kinds);
}

function embedMasks(p: Parameters, config: SamConfig, masks: Value): Value {
  const { mask_input_channels: channels, hidden_act, layer_norm_eps, hidden_size } = config.prompt;
  const activate = ACTIVATIONS[hidden_act];
  let x = transpose(masks, [0, 2, 3, 1]);
  x = activate(norm(under(p, 'layer_norm1'), patchConvolution(under(p, 'conv1'), x, channels / 4, 2), layer_norm_eps));
  x = activate(norm(under(p, 'layer_norm2'), patchConvolution(under(p, 'conv2'), x, channels, 2), layer_norm_eps));
  const y = pointConvolution(under(p, 'conv3'), x, hidden_size);
  return reshape(y, [y.shape[0]!, config.grid ** 2, hidden_size]);
}
