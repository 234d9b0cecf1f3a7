import {
  add,
  concat,
  expand,
  gelu,
  matmul,
  relu,
  reshape,
  slice,
  swap,
  transpose,
  type Value,
} from '../graph/index.ts';
import type { SamConfig } from './config.ts';
import {
  ACTIVATIONS,
  type Attention,
  absorbs,
  attention,
  attentionFromImage,
  attentionToImage,
  linear,
  norm,
  unpatch,
  upscale2x2,
} from './layers.ts';
import { type Parameters, under } from './parameters.ts';
import { gridPositions, type PromptValues, promptEncoder } from './prompt-encoder.ts';

/** Mask tokens to decode: the first alone for an unambiguous prompt (a box), the others for three proposals. */
export type MaskChoice = 'single' | 'multi';

export interface Decoded {
  /** Logits [B, K, M, 4 grid, 4 grid]. */
  readonly masks: Value;
  /** Predicted IoU [B, K, M]. */
  readonly iou: Value;
}

/** Fixed in the reference implementation, unlike the norms inside the layers. */
const FINAL_NORM_EPSILON = 1e-5;
const UPSCALE_NORM_EPSILON = 1e-6;

/** SamPromptEncoder and SamMaskDecoder: image embeddings [B, C, grid, grid] and K prompts each → masks. */
export function decode(
  parameters: Parameters,
  config: SamConfig,
  embeddings: Value,
  prompts: PromptValues,
  choice: MaskChoice,
): Decoded {
  const p = under(parameters, 'mask_decoder');
  const { decoder, grid } = config;
  const { hidden_size: c, num_multimask_outputs: proposals } = decoder;
  const [b] = embeddings.shape as [number];
  const [, k] = (prompts.boxes ?? prompts.labels)!.shape as [number, number];
  const { sparse, dense } = promptEncoder(parameters, config, prompts);

  const learned = concat([p('iou_token.weight', [1, c]), p('mask_tokens.weight', [proposals + 1, c])], 0);
  const tokens = concat([expand(learned, [b * k, proposals + 2, c]), sparse], 1);
  const image = add(transpose(reshape(embeddings, [b, c, grid * grid]), [0, 2, 1]), dense);
  const { queries, keys } = twoWayTransformer(
    under(p, 'transformer'),
    config,
    tokens,
    image,
    gridPositions(parameters, config),
  );

  const [from, to] = choice === 'single' ? [0, 1] : [1, proposals + 1];
  const weights = Array.from({ length: to - from }, (_, i) => {
    const maskToken = slice(queries, 1, 1 + from + i, 2 + from + i);
    return feedForward(under(p, `output_hypernetworks_mlps.${from + i}`), maskToken, c, c / 8, 3);
  });
  const masks = unpatch(matmul(concat(weights, 1), swap(upscaled(p, config, keys))), grid);
  const scores = feedForward(
    under(p, 'iou_prediction_head'),
    slice(queries, 1, 0, 1),
    decoder.iou_head_hidden_dim,
    proposals + 1,
    decoder.iou_head_depth,
  );
  return {
    masks: reshape(masks, [b, k, to - from, 4 * grid, 4 * grid]),
    iou: reshape(slice(scores, 2, from, to), [b, k, to - from]),
  };
}

/**
 * SamTwoWayTransformer: tokens [N, T, C] and the image [B, grid², C] attend to each other. Prompts share their image until
 * the first of them writes into it, so what only reads it is computed once for all.
 */
function twoWayTransformer(p: Parameters, { decoder }: SamConfig, tokens: Value, image: Value, positions: Value) {
  const { hidden_size: c, num_attention_heads: heads, layer_norm_eps: epsilon } = decoder;
  const [n, t] = tokens.shape as [number, number];
  const attentionAt = (name: string, width: number): Attention => ({
    p: (layer) => under(p, `${name}.${layer}`),
    ...{ heads, width },
  });
  const cross = (name: string) => attentionAt(name, c / decoder.attention_downsample_rate);
  const isAbsorbed = absorbs(cross(''), t);
  const toImage = isAbsorbed ? attentionToImage : attention;
  const toTokens = isAbsorbed ? attentionFromImage : attention;
  let queries = tokens;
  let keys = isAbsorbed ? image : repeatImages(image, n);
  let placed = add(keys, positions);
  for (let i = 0; i < decoder.num_hidden_layers; i++) {
    const at = `layers.${i}`;
    const normal = (k: number, x: Value) => norm(under(p, `${at}.layer_norm${k}`), x, epsilon);
    // The first layer attends without positions and without a residual: its tokens are the prompt itself.
    const q = i === 0 ? queries : add(queries, tokens);
    const self = attention(attentionAt(`${at}.self_attn`, c), q, q, queries);
    queries = normal(1, i === 0 ? self : add(queries, self));
    const seen = toImage(cross(`${at}.cross_attn_token_to_image`), add(queries, tokens), placed, keys);
    queries = normal(2, add(queries, seen));
    const hidden = ACTIVATIONS[decoder.hidden_act](linear(under(p, `${at}.mlp.lin1`), queries, decoder.mlp_dim));
    queries = normal(3, add(queries, linear(under(p, `${at}.mlp.lin2`), hidden, c)));
    const told = toTokens(cross(`${at}.cross_attn_image_to_token`), placed, add(queries, tokens), queries);
    keys = normal(4, add(repeatImages(keys, n), told));
    placed = add(keys, positions);
  }
  const last = toImage(cross('final_attn_token_to_image'), add(queries, tokens), placed, keys);
  return { queries: norm(under(p, 'layer_norm_final_attn'), add(queries, last), FINAL_NORM_EPSILON), keys };
}

/** [B, S, C] → [N, S, C]: each image as often as it has prompts. */
function repeatImages(image: Value, n: number): Value {
  const [b, s, c] = image.shape as [number, number, number];
  if (b === n) return image;
  return reshape(expand(reshape(image, [b, 1, s, c]), [b, n / b, s, c]), [n, s, c]);
}

/** [N, grid², C] → [N, grid² * 16, C / 8] in patch order. */
function upscaled(p: Parameters, { decoder }: SamConfig, keys: Value): Value {
  const half = upscale2x2(under(p, 'upscale_conv1'), keys, decoder.hidden_size / 4);
  const normal = gelu(norm(under(p, 'upscale_layer_norm'), half, UPSCALE_NORM_EPSILON));
  return gelu(upscale2x2(under(p, 'upscale_conv2'), normal, decoder.hidden_size / 8));
}

/** SamFeedForward: `depth` linear layers with ReLU between them. */
function feedForward(p: Parameters, x: Value, hidden: number, out: number, depth: number): Value {
  let y = relu(linear(under(p, 'proj_in'), x, hidden));
  for (let i = 0; i < depth - 2; i++) y = relu(linear(under(p, `layers.${i}`), y, hidden));
  return linear(under(p, 'proj_out'), y, out);
}
