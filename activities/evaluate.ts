import { EvaluateInput, EvaluateResult, type Evaluation, type Overlap } from '../contracts/stages.ts';
import { decodeSlices } from '../lib/dataset/slices.ts';
import { encodeSafetensors } from '../lib/safetensors.ts';
import type { SamModel } from '../lib/sam/model.ts';
import { MaskDecoder, segmentSlices } from '../lib/training/decoder.ts';
import { type Attempt, activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests, readEmbeddings } from './encoded.ts';
import { modelDigests } from './models.ts';
import type { BorrowedEncoder, Sessions } from './sessions.ts';

const VERSION = 2;
const Result = EvaluateResult.omit({ reused: true, seconds: true });
/** Slices between two looks at the clock. */
const BATCH = 8;
type Patient = EvaluateInput['test'][number];
type Setting = EvaluateInput['prompts'];

/**
 * Scores the model before and after fine-tuning on patients it never saw. Boxes come from the truth, without jitter: what
 * is measured is the mask inside a good box, an upper bound, and it is called so wherever it is shown.
 */
export const createEvaluate = (deps: ActivityDeps, sessions: Sessions) =>
  activity(EvaluateInput, async (input, attempt): Promise<EvaluateResult> => {
    const { artifacts } = deps;
    const { model, weights, test, prompts } = input;
    const { box, minComponentPixels } = prompts;
    const { value, reused, seconds } = await artifacts.memo({
      stage: 'evaluate',
      version: VERSION,
      parameters: { box, minComponentPixels, patients: test.map(({ patient }) => patient) },
      inputs: [
        ...modelDigests(model),
        weights.sha256,
        ...test.flatMap((patient) => [...encodedDigests(patient), patient.volume.sha256]),
      ],
      schema: Result,
      signal: attempt.signal,
      compute: async () => {
        await sessions.release();
        const sam = await sessions.models.open(model, 'decoder');
        const tuned = await sessions.tuned(model, weights);
        const opened: MaskDecoder[] = [];
        const open = async (of: SamModel): Promise<MaskDecoder> => {
          const decoder = await MaskDecoder.open(of, sessions.options(model));
          opened.push(decoder);
          return decoder;
        };
        try {
          const [zeroShot, fineTuned] = [await open(sam), await open(tuned.model)];
          const encoder = tuned.hasOwnEncoder ? await sessions.encoder(model, { ...tuned, weights }) : null;
          const patients: Evaluation['patients'] = [];
          for (const patient of test) {
            patients.push(await evaluatePatient(patient, prompts, { zeroShot, fineTuned, encoder }, deps, attempt));
          }
          const mean = (of: 'zeroShot' | 'fineTuned') => meanOverlap(patients.map((patient) => patient[of]));
          const scores = { zeroShot: mean('zeroShot'), fineTuned: mean('fineTuned') };
          const evaluation: Evaluation = { prompts: 'oracle', ...scores, patients };
          const predictions = patients.map((patient) => patient.predictions);
          return { evaluation: await artifacts.putJson('evaluation', evaluation), predictions, ...scores };
        } finally {
          await Promise.all(opened.map((decoder) => decoder.close()));
        }
      },
    });
    return { ...value, reused, seconds };
  });

interface Models {
  readonly zeroShot: MaskDecoder;
  readonly fineTuned: MaskDecoder;
  /** Where the training changed it; else both decode the embeddings that were kept. */
  readonly encoder: BorrowedEncoder | null;
}

async function evaluatePatient(
  patient: Patient,
  setting: Setting,
  { encoder, ...decoders }: Models,
  { artifacts, compute }: ActivityDeps,
  { signal, report }: Attempt,
): Promise<Evaluation['patients'][number]> {
  const slices = await artifacts.get(patient.slices);
  const { height, width, rows } = await compute.run('boxes', { slices, setting }, signal);
  const kept = await readEmbeddings(artifacts, patient);
  const own = encoder && (await embed(encoder, await artifacts.get(patient.slices), signal));
  const predict = async (decoder: MaskDecoder, embeddings: Uint16Array[], before: number): Promise<Uint8Array> => {
    const prompted = rows.map(({ boxes }, row) => ({ boxes, embedding: embeddings[row]! }));
    const masks = new Uint8Array(rows.length * height * width);
    for (let from = 0; from < rows.length; from += BATCH) {
      const batch = await segmentSlices(decoder, prompted.slice(from, from + BATCH), height, width, signal);
      for (const [at, mask] of batch.entries()) masks.set(mask, (from + at) * height * width);
      report({ patient: patient.patient, done: before + from + batch.length, total: 2 * rows.length });
    }
    return masks;
  };
  const zeroShot = await predict(decoders.zeroShot, kept, 0);
  const fineTuned = await predict(decoders.fineTuned, own ?? kept, rows.length);
  const tensor = (data: Uint8Array) => ({ dtype: 'U8' as const, shape: [rows.length, height, width], data });
  const predictions = encodeSafetensors([
    ['zeroShot', tensor(zeroShot)],
    ['fineTuned', tensor(fineTuned)],
  ]);
  const stored = await artifacts.put('predictions', predictions);
  const truth = { volume: await artifacts.get(patient.volume), slices: await artifacts.get(patient.slices) };
  const [before, after] = await compute.run('score', { ...truth, predictions: [zeroShot, fineTuned] }, signal);
  return {
    patient: patient.patient,
    zeroShot: before!.volume,
    fineTuned: after!.volume,
    slices: rows.map(({ index, boxes }, row) => ({
      ...{ row, index, boxes },
      zeroShot: before!.slices[row]!,
      fineTuned: after!.slices[row]!,
    })),
    predictions: stored,
  };
}

async function embed(encoder: BorrowedEncoder, bytes: Uint8Array, signal: AbortSignal): Promise<Uint16Array[]> {
  const { pixels, index, height, width } = decodeSlices(bytes);
  const all = await encoder.encode(pixels, index.length, height, width, signal);
  const size = all.length / index.length;
  return Array.from(index, (_, row) => all.subarray(row * size, (row + 1) * size));
}

/** Each patient counts once, however many slices it has. */
function meanOverlap(scores: readonly Overlap[]): Overlap {
  const mean = (of: keyof Overlap): number => scores.reduce((sum, score) => sum + score[of], 0) / scores.length;
  return { dice: mean('dice'), iou: mean('iou') };
}
