import {
  add,
  concat,
  gelu,
  layerNorm,
  matmul,
  mul,
  pad,
  relu,
  reshape,
  slice,
  softmax,
  swap,
  transpose,
  type Value,
} from '../graph/index.ts';
import type { Parameters } from './parameters.ts';

/** Layers shared by encoder, prompts and decoder. Images are channels-last, [N, H, W, C], from the first layer to the last. */

export const ACTIVATIONS = { gelu, relu } as const;

/** y = x Wᵀ + b over the last axis; W is [out, in] as in torch.nn.Linear. */
export function linear(p: Parameters, x: Value, out: number, options: { bias?: boolean } = {}): Value {
  const y = matmul(x, swap(p('weight', [out, x.shape.at(-1)!])));
  return options.bias === false ? y : add(y, p('bias', [out]));
}

export function norm(p: Parameters, x: Value, epsilon: number): Value {
  const width = x.shape.at(-1)!;
  return layerNorm(x, p('weight', [width]), p('bias', [width]), epsilon);
}

/** Convolution with stride equal to its kernel (patches): [N, H, W, C] → [N, H/k, W/k, out]; W is [out, C, k, k]. */
export function patchConvolution(p: Parameters, x: Value, out: number, kernel: number): Value {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const cut = reshape(x, [n, h / kernel, kernel, w / kernel, kernel, c]);
  const patches = reshape(transpose(cut, [0, 1, 3, 5, 2, 4]), [n, h / kernel, w / kernel, c * kernel * kernel]);
  const weight = reshape(p('weight', [out, c, kernel, kernel]), [out, c * kernel * kernel]);
  return add(matmul(patches, swap(weight)), p('bias', [out]));
}

/** 1x1 convolution; W is [out, C, 1, 1]. */
export function pointConvolution(p: Parameters, x: Value, out: number, options: { bias?: boolean } = {}): Value {
  const c = x.shape.at(-1)!;
  const y = matmul(x, swap(reshape(p('weight', [out, c, 1, 1]), [out, c])));
  return options.bias === false ? y : add(y, p('bias', [out]));
}

/**
 * 3x3 convolution with border 1 and no bias, as nine shifted views and one product (im2col), so that its gradient needs
 * no operator of its own. W is [out, C, 3, 3].
 */
export function convolution3x3(p: Parameters, x: Value, out: number): Value {
  const [, h, w, c] = x.shape as [number, number, number, number];
  const bordered = pad(pad(x, 1, 1, 1), 2, 1, 1);
  const views = [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) => slice(slice(bordered, 1, i, i + h), 2, j, j + w)));
  const weight = reshape(transpose(p('weight', [out, c, 3, 3]), [2, 3, 1, 0]), [9 * c, out]);
  return matmul(concat(views, 3), weight);
}

/**
 * Transposed 2x2 convolution with stride 2 in patch order: [..., P, C] → [..., P * 4, out], where each position gives its
 * four children in a row. Pixels are put in place once, at the end (`unpatch`), when there is one channel left to move.
 * W is [C, out, 2, 2] as in torch.nn.ConvTranspose2d.
 */
export function upscale2x2(p: Parameters, x: Value, out: number): Value {
  const c = x.shape.at(-1)!;
  const weight = reshape(transpose(p('weight', [c, out, 2, 2]), [0, 2, 3, 1]), [c, 4 * out]);
  const y = matmul(x, weight);
  return add(reshape(y, [...x.shape.slice(0, -2), x.shape.at(-2)! * 4, out]), p('bias', [out]));
}

/** [N, M, grid² * 16] in the order of two `upscale2x2` → [N, M, 4 grid, 4 grid] in rows and columns. */
export function unpatch(x: Value, grid: number): Value {
  const [n, m] = x.shape as [number, number];
  const pixels = reshape(x, [n, m, grid, grid, 2, 2, 2, 2]);
  return reshape(transpose(pixels, [0, 1, 2, 4, 6, 3, 5, 7]), [n, m, 4 * grid, 4 * grid]);
}

/** [B, T, heads * D] → [B, heads, T, D] */
export function splitHeads(x: Value, heads: number): Value {
  const [b, t, c] = x.shape as [number, number, number];
  return transpose(reshape(x, [b, t, heads, c / heads]), [0, 2, 1, 3]);
}

/** [B, heads, T, D] → [B, T, heads * D] */
export function mergeHeads(x: Value): Value {
  const [b, heads, t, d] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [b, t, heads * d]);
}

/** softmax(q kᵀ) v over [B, heads, T, D]; the caller has scaled q. */
export const attend = (q: Value, k: Value, v: Value): Value => matmul(softmax(matmul(q, swap(k))), v);

/** Scaled dot-product attention with projections, as SamAttention: q is [B, Tq, C], k and v are [B, Tk, C]. */
export function attention({ p, heads, width }: Attention, q: Value, k: Value, v: Value): Value {
  const project = (name: string, x: Value) => splitHeads(linear(p(name), x, width), heads);
  const scaled = mul(project('q_proj', q), 1 / Math.sqrt(width / heads));
  return linear(p('out_proj'), mergeHeads(attend(scaled, project('k_proj', k), project('v_proj', v))), q.shape.at(-1)!);
}

/** Parameters of an attention by layer (`q_proj`, ...), its heads, and the width of all heads together. */
export interface Attention {
  readonly p: (layer: string) => Parameters;
  readonly heads: number;
  readonly width: number;
}

/**
 * `attention` of few tokens [N, T, C] to an image's positions, keys [B, S, C] and values [B, S, C], where N / B prompts
 * share an image. Exactly the same function, with the image side's projections moved to the tokens, by associativity:
 * q (x Wₖ)ᵀ = (q Wₖᵀ) xᵀ and P (x Wᵥ) = (P x) Wᵥ. The keys' bias adds the same to every score of a row, which softmax
 * does not see; the values' bias passes through, as a row of P sums to 1.
 */
export function attentionToImage(at: Attention, tokens: Value, keys: Value, values: Value): Value {
  const { p, heads, width } = at;
  const [n, t] = tokens.shape as [number, number];
  const [b, , c] = keys.shape as [number, number, number];
  // Part of the model, though nothing depends on it.
  p('k_proj')('bias', [width]);
  const q = mul(splitHeads(linear(p('q_proj'), tokens, width), heads), 1 / Math.sqrt(width / heads));
  const asked = reshape(matmul(q, headsOf(p('k_proj')('weight', [width, c]), heads)), [b, (n / b) * heads * t, c]);
  const found = matmul(softmax(matmul(asked, swap(keys))), values);
  const perHead = matmul(reshape(found, [n, heads, t, c]), swap(headsOf(p('v_proj')('weight', [width, c]), heads)));
  return linear(p('out_proj'), add(mergeHeads(perHead), p('v_proj')('bias', [width])), tokens.shape.at(-1)!);
}

/**
 * `attention` of an image's positions [B, S, C] to few tokens, keys and values [N, T, C]: [N, S, C]. Exactly the same
 * function, with the query's and the output's projections moved to the tokens, as above.
 */
export function attentionFromImage(at: Attention, image: Value, keys: Value, values: Value): Value {
  const { p, heads, width } = at;
  const [n, t] = keys.shape as [number, number];
  const [b, s, c] = image.shape as [number, number, number];
  const k = mul(splitHeads(linear(p('k_proj'), keys, width), heads), 1 / Math.sqrt(width / heads));
  const v = splitHeads(linear(p('v_proj'), values, width), heads);
  const queries = matmul(k, headsOf(p('q_proj')('weight', [width, c]), heads));
  const bias = matmul(k, reshape(p('q_proj')('bias', [width]), [heads, width / heads, 1]));
  const grouped = (x: Value, last: number) => reshape(x, [b, n / b, heads * t, last]);
  const scores = add(matmul(reshape(image, [b, 1, s, c]), swap(grouped(queries, c))), swap(grouped(bias, 1)));
  const weights = reshape(softmax(reshape(scores, [n, s, heads, t])), [n, s, heads * t]);
  const answers = matmul(v, headsOf(swap(p('out_proj')('weight', [c, width])), heads));
  return add(matmul(weights, reshape(answers, [n, heads * t, c])), p('out_proj')('bias', [c]));
}

/** A projection's rows by head: [heads * D, C] → [heads, D, C]. */
const headsOf = (weight: Value, heads: number): Value => {
  const [width, c] = weight.shape as [number, number];
  return reshape(weight, [heads, width / heads, c]);
};

/**
 * Whether moving an image's projections to the tokens takes fewer products: `heads * tokens` rows meet every position
 * then, instead of `width`.
 */
export const absorbs = ({ heads, width }: Attention, tokens: number): boolean => heads * tokens < width;
