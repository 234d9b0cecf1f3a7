import {
  add,
  concat,
  expand,
  gatherRows,
  matmul,
  mul,
  reshape,
  type Shape,
  slice,
  softmax,
  split,
  swap,
  transpose,
  type Value,
  zeros,
} from '../graph/index.ts';
import type { SamConfig } from './config.ts';
import { ACTIVATIONS, convolution3x3, linear, norm, patchConvolution, pointConvolution } from './layers.ts';
import { type Parameters, under } from './parameters.ts';

/** SamVisionEncoder of Hugging Face transformers: normalised pixels [B, 3, S, S] → embeddings [B, C, grid, grid]. */
export function visionEncoder(parameters: Parameters, config: SamConfig, pixels: Value): Value {
  const p = under(parameters, 'vision_encoder');
  const { vision, grid } = config;
  const image = transpose(pixels, [0, 2, 3, 1]);
  let x = patchConvolution(under(p, 'patch_embed.projection'), image, vision.hidden_size, vision.patch_size);
  if (vision.use_abs_pos) x = add(x, p('pos_embed', [1, grid, grid, vision.hidden_size]));
  for (let i = 0; i < vision.num_hidden_layers; i++) {
    const window = vision.global_attn_indexes.includes(i) ? 0 : vision.window_size;
    x = block(under(p, `layers.${i}`), config, x, window);
  }
  return transpose(neck(under(p, 'neck'), config, x), [0, 3, 1, 2]);
}

/** One transformer block on [B, grid, grid, C]; window 0 means global attention. */
function block(p: Parameters, { vision }: SamConfig, x: Value, window: number): Value {
  const normal = norm(under(p, 'layer_norm1'), x, vision.layer_norm_eps);
  const y = add(x, selfAttention(under(p, 'attn'), vision, normal, window));
  const hidden = linear(under(p, 'mlp.lin1'), norm(under(p, 'layer_norm2'), y, vision.layer_norm_eps), vision.mlp_dim);
  return add(y, linear(under(p, 'mlp.lin2'), ACTIVATIONS[vision.hidden_act](hidden), vision.hidden_size));
}

/**
 * Self-attention with projections on [B, grid, grid, C], in windows or global. The reference pads the grid with zeros to
 * whole windows and projects the padding too; its queries, keys and values are the bias, so they are put in afterwards.
 */
function selfAttention(p: Parameters, vision: SamConfig['vision'], x: Value, window: number): Value {
  const c = x.shape[3]!;
  const qkv = linear(under(p, 'qkv'), x, 3 * c, { bias: vision.qkv_bias });
  const padding = vision.qkv_bias ? p('qkv.bias', [3 * c]) : zeros([3 * c]);
  const attended =
    window > 0
      ? inWindows(qkv, padding, window, (windows) => attendOnGrid(p, vision, windows))
      : attendOnGrid(p, vision, qkv);
  return linear(under(p, 'proj'), attended, c);
}

/** Runs `f` on non-overlapping windows [B * count, window, window, C] of a grid that is filled up with `padding` [C]. */
function inWindows(x: Value, padding: Value, window: number, f: (windows: Value) => Value): Value {
  const [b, h, w, c] = x.shape as [number, number, number, number];
  const [down, right] = [Math.ceil(h / window), Math.ceil(w / window)];
  const [below, beside] = [down * window - h, right * window - w];
  const fill = (shape: Shape): Value => expand(reshape(padding, [1, 1, 1, c]), shape);
  const wide = beside > 0 ? concat([x, fill([b, h, beside, c])], 2) : x;
  const full = below > 0 ? concat([wide, fill([b, below, right * window, c])], 1) : wide;
  const cut = transpose(reshape(full, [b, down, window, right, window, c]), [0, 1, 3, 2, 4, 5]);
  const y = f(reshape(cut, [b * down * right, window, window, c]));
  const width = y.shape[3]!;
  const joined = transpose(reshape(y, [b, down, right, window, window, width]), [0, 1, 3, 2, 4, 5]);
  return slice(slice(reshape(joined, [b, down * window, right * window, width]), 1, 0, h), 2, 0, w);
}

/** Scores that exist at once: 64 MiB. More would only be read back from memory; fewer make products too flat. */
const TILE_SCORES = 2 ** 24;

/** Softmax attention with decomposed relative positions: queries, keys and values [B, h, w, 3 C] → [B, h, w, C]. */
function attendOnGrid(p: Parameters, vision: SamConfig['vision'], qkv: Value): Value {
  const [b, h, w, c3] = qkv.shape as [number, number, number, number];
  const c = c3 / 3;
  const heads = vision.num_attention_heads;
  const depth = c / heads;
  const byHead = transpose(reshape(qkv, [b, h * w, 3, heads, depth]), [2, 0, 3, 1, 4]);
  const [q, k, v] = split(byHead, 0, [1, 1, 1]).map((part) => reshape(part, [b * heads, h * w, depth])) as [
    Value,
    Value,
    Value,
  ];
  const scaled = mul(q, 1 / Math.sqrt(depth));
  const [byRow, byColumn] = vision.use_rel_pos ? relativeScores(p, reshape(q, [b * heads, h, w, depth])) : [];
  const rows = rowsPerTile(h, b * heads * w * h * w);
  const cut = (x: Value): Value[] =>
    split(
      x,
      1,
      Array.from({ length: h / rows }, () => rows * w),
    );
  const [queries, rowBias, columnBias] = [scaled, byRow, byColumn].map((x) => (x ? cut(x) : []));
  const tiles = queries!.map((tile, i) => {
    const scores = matmul(tile, swap(k));
    return matmul(softmax(withPositions(scores, rowBias![i], columnBias![i])), v);
  });
  const attended = reshape(concat(tiles, 1), [b, heads, h * w, depth]);
  return reshape(transpose(attended, [0, 2, 1, 3]), [b, h, w, c]);
}

/** Rows of queries in a tile, given the scores of one row: a divisor of all rows. */
function rowsPerTile(rows: number, scoresPerRow: number): number {
  let most = Math.max(1, Math.min(rows, Math.floor(TILE_SCORES / scoresPerRow)));
  while (rows % most !== 0) most--;
  return most;
}

/** Scores [N, Q, h * w] plus the terms of the key's row [N, Q, h] and of its column [N, Q, w]. */
function withPositions(scores: Value, byRow: Value | undefined, byColumn: Value | undefined): Value {
  if (!byRow || !byColumn) return scores;
  const [n, q, h] = byRow.shape as [number, number, number];
  const w = byColumn.shape[2]!;
  const bias = add(reshape(byRow, [n, q, h, 1]), reshape(byColumn, [n, q, 1, w]));
  return add(scores, reshape(bias, [n, q, h * w]));
}

/** What each query [N, h, w, D] adds to its score with a key for the key's row, and for its column: [N, h * w, h or w]. */
function relativeScores(p: Parameters, queries: Value): [Value, Value] {
  const [n, h, w, depth] = queries.shape as [number, number, number, number];
  const byRow = matmul(queries, swap(relativePositions(p('rel_pos_h', [2 * h - 1, depth]), h)));
  const columnsFirst = transpose(queries, [0, 2, 1, 3]);
  const byColumn = matmul(columnsFirst, swap(relativePositions(p('rel_pos_w', [2 * w - 1, depth]), w)));
  return [reshape(byRow, [n, h * w, h]), reshape(transpose(byColumn, [0, 2, 1, 3]), [n, h * w, w])];
}

/** Table [2n - 1, D] → [n, n, D]: entry (i, j) is the embedding of the offset i - j. */
function relativePositions(table: Value, n: number): Value {
  const offsets = Array.from({ length: n * n }, (_, at) => Math.floor(at / n) - (at % n) + n - 1);
  return reshape(gatherRows(table, offsets), [n, n, table.shape[1]!]);
}

/** The epsilon of SamVisionNeck's norms is fixed in the reference implementation. */
const NECK_EPSILON = 1e-6;

function neck(p: Parameters, { vision }: SamConfig, x: Value): Value {
  const reduced = pointConvolution(under(p, 'conv1'), x, vision.output_channels, { bias: false });
  const mixed = convolution3x3(
    under(p, 'conv2'),
    norm(under(p, 'layer_norm1'), reduced, NECK_EPSILON),
    vision.output_channels,
  );
  return norm(under(p, 'layer_norm2'), mixed, NECK_EPSILON);
}
