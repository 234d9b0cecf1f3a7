import { input, reshape, type Shape } from '../graph/index.ts';
import { emitScan } from '../onnx/scan.ts';
import type { SamConfig } from './config.ts';
import { type Decoded, decode } from './mask-decoder.ts';
import { frozenParameters, type Parameters, traceParameters } from './parameters.ts';

/**
 * Prompt encoder and mask decoder as one ONNX model that any ONNX Runtime runs, for any number K of boxes on one image:
 *
 *     image_embeddings  float32 [1, C, g, g]         as the image encoder gives them
 *     boxes             float32 [1, K, 4]            x0, y0, x1, y1 in pixels of the model's input
 *     masks             float32 [1, K, 1, 4 g, 4 g]  logits of the single mask
 *     iou_scores        float32 [1, K, 1]            the model's own estimate
 *
 * Our graphs have static shapes, so the graph is that of one box, and a Scan runs it along the boxes.
 */
export function exportDecoder(config: SamConfig, tensors: ReadonlyMap<string, Float32Array>): Uint8Array {
  const { masks, iou } = decodeOne(frozenParameters(tensors), config);
  const { maskSize } = config;
  return emitScan({
    outputs: {
      mask: { value: reshape(masks, [1, maskSize, maskSize]), all: 'masks' },
      iou_score: { value: reshape(iou, [1]), all: 'iou_scores' },
    },
    slices: { box: 'boxes' },
    extent: 'K',
  });
}

/** Names and shapes of the tensors that `exportDecoder` needs. */
export const decoderTensors = (config: SamConfig): Map<string, Shape> =>
  traceParameters((parameters) => void decodeOne(parameters, config));

function decodeOne(parameters: Parameters, config: SamConfig): Decoded {
  const { decoder, grid } = config;
  const embeddings = input('image_embeddings', 'float32', [1, decoder.hidden_size, grid, grid]);
  const boxes = reshape(input('box', 'float32', [4]), [1, 1, 4]);
  return decode(parameters, config, embeddings, { boxes }, 'single');
}
