import { z } from 'zod';
import { ArtifactRef } from '../contracts/artifact.ts';
import type { EncodedPatient, EvaluateInput } from '../contracts/stages.ts';
import { decodeSlices } from '../lib/dataset/slices.ts';
import { encodeSafetensors } from '../lib/safetensors.ts';
import { MaskDecoder, segmentSlices } from '../lib/training/decoder.ts';
import type { Attempt } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests, readEmbeddings } from './encoded.ts';
import { modelDigests } from './models.ts';
import type { Sessions, TunedModel } from './sessions.ts';
import type { Tasks } from './tasks.ts';

/** The model as it came, and with the tensors that training changed. */
export type Which = 'zeroShot' | 'fineTuned';
/** Slices with their boxes, and how large they are. */
export type BoxedSlices = ReturnType<Tasks['boxes']>;

const VERSION = 1;
const Result = z.strictObject({ predictions: ArtifactRef });
/** Slices between two looks at the clock. */
const BATCH = 8;

/** What a patient's predictions are scored from, in its stored form: for one task, which takes the bytes away. */
export async function storedForm(
  { artifacts }: Pick<ActivityDeps, 'artifacts'>,
  { volume, slices }: Pick<EvaluateInput['test'][number], 'volume' | 'slices'>,
  predictions: ArtifactRef,
): Promise<Record<'volume' | 'slices' | 'predictions', Uint8Array>> {
  return {
    volume: await artifacts.get(volume),
    slices: await artifacts.get(slices),
    predictions: await artifacts.get(predictions),
  };
}

/**
 * Segments patients inside given boxes. What a model made of a patient is kept in the store, so that other ways to score need
 * no model: sessions are opened for the first patient that is not there.
 */
export class Predictor {
  readonly #deps: ActivityDeps;
  readonly #sessions: Sessions;
  readonly #input: Pick<EvaluateInput, 'model' | 'weights' | 'prompts'>;
  readonly #attempt: Attempt;
  readonly #decoders = new Map<Which, MaskDecoder>();
  #tunedModel: Promise<TunedModel> | null = null;

  constructor(
    deps: ActivityDeps,
    sessions: Sessions,
    input: Pick<EvaluateInput, 'model' | 'weights' | 'prompts'>,
    attempt: Attempt,
  ) {
    this.#deps = deps;
    this.#sessions = sessions;
    this.#input = input;
    this.#attempt = attempt;
  }

  /**
   * The patient's slices with their boxes, and an artifact with each model's masks as a tensor U8 [N, H, W], 0 or 1, rows as in
   * the slices artifact.
   */
  async predict(
    patient: EncodedPatient,
    models: readonly Which[],
  ): Promise<{ boxed: BoxedSlices; predictions: ArtifactRef }> {
    const { artifacts, compute } = this.#deps;
    const { model, weights, prompts } = this.#input;
    const { signal } = this.#attempt;
    const boxed = await compute.run('boxes', { slices: await artifacts.get(patient.slices), setting: prompts }, signal);
    const { value } = await artifacts.memo({
      stage: 'predict',
      version: VERSION,
      parameters: { box: prompts.box, minComponentPixels: prompts.minComponentPixels, models },
      inputs: [...modelDigests(model), weights.sha256, ...encodedDigests(patient)],
      schema: Result,
      signal,
      compute: async () => {
        const shape = [boxed.rows.length, boxed.height, boxed.width];
        const masks = new Map<Which, Uint8Array>();
        for (const which of models) masks.set(which, await this.#masks(patient, boxed, which));
        const tensors = [...masks].map(([which, data]) => [which, { dtype: 'U8' as const, shape, data }] as const);
        return { predictions: await artifacts.put('predictions', encodeSafetensors(tensors)) };
      },
    });
    return { boxed, ...value };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#decoders.values()].map((decoder) => decoder.close()));
  }

  async #masks(patient: EncodedPatient, { rows, height, width }: BoxedSlices, which: Which): Promise<Uint8Array> {
    const { signal, report } = this.#attempt;
    const decoder = await this.#decoder(which);
    const embeddings = await this.#embeddings(patient, which);
    const prompted = rows.map(({ boxes }, row) => ({ boxes, embedding: embeddings[row]! }));
    const masks = new Uint8Array(rows.length * height * width);
    for (let from = 0; from < rows.length; from += BATCH) {
      const batch = await segmentSlices(decoder, prompted.slice(from, from + BATCH), height, width, signal);
      for (const [at, mask] of batch.entries()) masks.set(mask, (from + at) * height * width);
      report({ patient: patient.patient, which, done: from + batch.length, total: rows.length });
    }
    return masks;
  }

  async #decoder(which: Which): Promise<MaskDecoder> {
    const { model } = this.#input;
    // What another stage left open would take the memory.
    if (this.#decoders.size === 0) await this.#sessions.release();
    const open = this.#decoders.get(which);
    if (open) return open;
    const sam =
      which === 'fineTuned' ? (await this.#tuned()).model : await this.#sessions.models.open(model, 'decoder');
    const decoder = await MaskDecoder.open(sam, this.#sessions.options(model));
    this.#decoders.set(which, decoder);
    return decoder;
  }

  /** Those that were kept, or, where the training changed the encoder or none were, new ones. */
  async #embeddings(patient: EncodedPatient, which: Which): Promise<Uint16Array[]> {
    const { model, weights } = this.#input;
    const own = which === 'fineTuned' && (await this.#tuned()).hasOwnEncoder;
    if (!own && patient.shards.length > 0) return readEmbeddings(this.#deps.artifacts, patient);
    const tuned = own ? { ...(await this.#tuned()), weights } : undefined;
    const encoder = await this.#sessions.encoder(model, tuned);
    const { pixels, index, height, width } = decodeSlices(await this.#deps.artifacts.get(patient.slices));
    const all = await encoder.encode(pixels, index.length, height, width, this.#attempt.signal);
    const size = all.length / index.length;
    return Array.from(index, (_, row) => all.subarray(row * size, (row + 1) * size));
  }

  #tuned(): Promise<TunedModel> {
    this.#tunedModel ??= this.#sessions.tuned(this.#input.model, this.#input.weights);
    return this.#tunedModel;
  }
}
