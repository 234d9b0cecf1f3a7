import type { Box } from '../dataset/components.ts';
import type { SessionOptions } from '../runtime/session.ts';
import type { SamModel } from '../sam/model.ts';
import { MaskDecoder, segmentSlices } from '../training/decoder.ts';
import type { PromptShape } from '../training/prompt-feeds.ts';
import { secondsPerRun } from '../training/seconds-per-run.ts';

/** Boxes that are decoded together. */
const BOXES = 8;

/** Seconds to make one mask of a slice of this size, from its box to its pixels, by one full batch on made-up embeddings. */
export async function probeDecoder(
  model: SamModel,
  { height, width }: { readonly height: number; readonly width: number },
  shape: PromptShape,
  session: Omit<SessionOptions, 'fold'>,
): Promise<number> {
  const { decoder, grid } = model.config;
  const embedding = new Uint16Array(decoder.hidden_size * grid ** 2).map((_, at) => HALF + (at % 512));
  const box: Box = [width / 4, height / 4, width / 2, height / 2];
  const points = Array.from({ length: shape.points }, () => ({ x: width / 3, y: height / 3, label: 1 as const }));
  const slice = { embedding, height, width, boxes: [{ box, label: 1, points }] };
  const slices = Array.from({ length: BOXES }, () => slice);
  const opened = await MaskDecoder.open(model, session, shape);
  try {
    const seconds = await secondsPerRun(() => segmentSlices(opened, slices), { runs: 2, leastSeconds: 0.3 });
    return seconds / BOXES;
  } finally {
    await opened.close();
  }
}

/** 0.5 in half precision; the bits below it vary the value. */
const HALF = 0x3800;
