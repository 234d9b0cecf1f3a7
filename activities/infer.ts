import { InferInput, InferResult, ModelPackage } from '../contracts/stages.ts';
import { probabilityOfLogits } from '../lib/sam/post-process.ts';
import { MaskDecoder, segmentSlices } from '../lib/training/decoder.ts';
import { type Attempt, activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { encodeStacks } from './encoded.ts';
import type { Sessions } from './sessions.ts';
import type { FoundPlane, Tasks } from './tasks.ts';

type PlannedSlice = ReturnType<Tasks['plan']>[number];

const VERSION = 5;
const Result = InferResult.omit({ reused: true, seconds: true, patient: true });
/** Slices encoded in one go. */
const BATCH = 8;

/** Segments one scan with a packaged model, by boxes that were made without any truth. */
export const createInfer = (deps: ActivityDeps, sessions: Sessions) =>
  activity(InferInput, async (input, attempt): Promise<InferResult> => {
    const { package: ref, patient, volume, probability = false } = input;
    const { artifacts, compute } = deps;
    const { signal } = attempt;
    const { value, reused, seconds } = await artifacts.memo({
      stage: 'infer',
      version: VERSION,
      parameters: { probability },
      inputs: [ref.sha256, volume.sha256],
      schema: Result,
      signal,
      compute: async () => {
        const model = await artifacts.getJson(ref, ModelPackage);
        const { slices, prompts, priors, structures, postProcess, evaluation: setting } = model;
        const planned = { volume: await artifacts.get(volume), slices, prompts, priors };
        const rows = await compute.run('plan', planned, signal);
        const planes = await segment(rows, model, probability, sessions, attempt);
        const { files, ...facts } = await compute.run(
          'mask',
          { volume: await artifacts.get(volume), planes, structures, setting, postProcess, probability },
          signal,
        );
        const put = (kind: keyof typeof files) => artifacts.put(kind, files[kind]!, 'application/gzip');
        return {
          ...facts,
          postProcess,
          mask: await put('mask'),
          ...(files.probability && { probability: await put('probability') }),
          promptedSlices: rows.length,
          // Without a prior the whole image is the prompt.
          prompts: prompts.automatic === 'prior' && priors.length === 0 ? ('image' as const) : prompts.automatic,
        };
      },
    });
    return { patient, ...value, reused, seconds };
  });

/** What the model finds in each plane, with probabilities where they are wanted. */
async function segment(
  rows: readonly PlannedSlice[],
  { model, weights }: ModelPackage,
  probability: boolean,
  sessions: Sessions,
  { signal, report }: Attempt,
): Promise<FoundPlane[]> {
  const planes = emptyPlanes(rows, probability);
  const tuned = await sessions.tuned(model, weights);
  const encoder = await sessions.encoder(model, { ...tuned, weights });
  const decoder = await MaskDecoder.open(tuned.model, sessions.options(model));
  let done = 0;
  try {
    for (const plane of planes) {
      const { height, width } = plane.stack;
      const area = height * width;
      for (let from = 0; from < plane.rows.length; from += BATCH) {
        const batch = plane.rows.slice(from, from + BATCH);
        const pixels = new Uint8Array(batch.length * area);
        for (const [at, row] of batch.entries()) pixels.set(row.pixels, at * area);
        const index = Int32Array.from(batch, ({ index }) => index);
        const embeddings = await encodeStacks(encoder, [{ pixels, index, height, width }], signal);
        const prompted = batch.map((row, at) => ({ ...row, embedding: embeddings[at]! }));
        for (const [at, { labels, logits }] of (await segmentSlices(decoder, prompted, signal)).entries()) {
          plane.labels.set(labels, (from + at) * area);
          plane.probabilities?.set(probabilityOfLogits(logits), (from + at) * area);
        }
        done += batch.length;
        report({ done, total: rows.length });
      }
    }
  } finally {
    await decoder.close();
  }
  return planes.map(({ rows, ...plane }) => plane);
}

/** The planned slices by plane, with room for what is found on them. */
function emptyPlanes(rows: readonly PlannedSlice[], probability: boolean) {
  return [...new Set(rows.map(({ axis }) => axis))].map((axis) => {
    const own = rows.filter((row) => row.axis === axis);
    const { height, width } = own[0]!;
    const count = own.length * height * width;
    return {
      rows: own,
      stack: { axis, height, width, index: own.map(({ index }) => index) },
      labels: new Uint8Array(count),
      probabilities: probability ? new Float32Array(count) : null,
    };
  });
}
