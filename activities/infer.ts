import type { z } from 'zod';
import { InferInput, InferResult, ModelPackage } from '../contracts/stages.ts';
import { maskOfLogits, probabilityOfLogits } from '../lib/sam/post-process.ts';
import { MaskDecoder, sliceLogits } from '../lib/training/decoder.ts';
import { type Attempt, activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import type { Sessions } from './sessions.ts';
import type { Plan } from './tasks.ts';

const VERSION = 4;
const Result = InferResult.omit({ reused: true, seconds: true, patient: true });
/** Slices encoded in one go. */
const BATCH = 8;

/** Segments one scan with a packaged model, by boxes that were made without any truth. */
export const createInfer = (deps: ActivityDeps, sessions: Sessions) =>
  activity(InferInput, async (input, attempt): Promise<InferResult> => {
    const { package: ref, patient, volume, probability = false } = input;
    const { artifacts, compute } = deps;
    const { signal, by } = attempt;
    const { value, ...outcome } = await artifacts.memo<z.infer<typeof Result>>({
      stage: 'infer',
      version: VERSION,
      parameters: { probability },
      inputs: [ref.sha256, volume.sha256],
      schema: Result,
      signal,
      by,
      compute: async () => {
        const model = await artifacts.getJson(ref, ModelPackage);
        const { slices, prompts, prior, target, postProcess, evaluation: setting } = model;
        const plan = await compute.run('plan', { volume: await artifacts.get(volume), slices, prompts, prior }, signal);
        const segmented = await segment(plan, model, probability, sessions, attempt);
        const { axis, rows } = plan;
        const grid = { volume: await artifacts.get(volume), axis, index: rows.map(({ index }) => index) };
        const { files, ...facts } = await compute.run(
          'mask',
          { ...segmented, ...grid, target, setting, postProcess },
          signal,
        );
        const put = (kind: keyof typeof files) => artifacts.put(kind, files[kind]!, 'application/gzip');
        return {
          ...facts,
          postProcess,
          mask: await put('mask'),
          ...(files.probability && { probability: await put('probability') }),
          promptedSlices: rows.length,
          // Without a prior (its artifact says null) the whole image is the prompt.
          prompts: prompts.automatic === 'prior' && prior === null ? ('image' as const) : prompts.automatic,
        };
      },
    });
    return { patient, ...value, ...outcome };
  });

interface Segmented {
  /** [N, H, W] of the planned slices. */
  readonly masks: Uint8Array;
  readonly probabilities: Float32Array | null;
}

async function segment(
  { rows, height, width }: Plan,
  { model, weights }: ModelPackage,
  probability: boolean,
  sessions: Sessions,
  { signal, report }: Attempt,
): Promise<Segmented> {
  const area = height * width;
  const masks = new Uint8Array(rows.length * area);
  const probabilities = probability ? new Float32Array(rows.length * area) : null;
  const tuned = await sessions.tuned(model, weights);
  const encoder = await sessions.encoder(model, { ...tuned, weights });
  const size = encoder.embeddingShape.reduce((product, axis) => product * axis, 1);
  const decoder = await MaskDecoder.open(tuned.model, sessions.options(model));
  try {
    for (let from = 0; from < rows.length; from += BATCH) {
      const batch = rows.slice(from, from + BATCH);
      const pixels = new Uint8Array(batch.length * area);
      for (const [at, row] of batch.entries()) pixels.set(row.pixels, at * area);
      const embeddings = await encoder.encode(pixels, batch.length, height, width, signal);
      const slices = batch.map(({ boxes }, at) => ({
        boxes,
        embedding: embeddings.subarray(at * size, (at + 1) * size),
      }));
      const found = await sliceLogits(decoder, slices, height, width, signal);
      for (const [at, logits] of found.entries()) {
        masks.set(maskOfLogits(logits), (from + at) * area);
        probabilities?.set(probabilityOfLogits(logits), (from + at) * area);
      }
      report({ done: from + batch.length, total: rows.length });
    }
  } finally {
    await decoder.close();
  }
  return { masks, probabilities };
}
