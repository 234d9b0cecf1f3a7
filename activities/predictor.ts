import { z } from 'zod';
import { ArtifactRef } from '../contracts/artifact.ts';
import type { PromptsConfig } from '../contracts/config.ts';
import type { EncodedPatient, EvaluateInput } from '../contracts/stages.ts';
import type { Box } from '../lib/dataset/components.ts';
import { jitterBox } from '../lib/dataset/prompts.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { MaskDecoder, segmentSlices } from '../lib/training/decoder.ts';
import { promptShape } from '../lib/training/prompt-feeds.ts';
import type { Attempt } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests, encodeStacks, readEmbeddings } from './encoded.ts';
import { modelDigests } from './models.ts';
import { encodePredictions, type Which } from './scoring.ts';
import type { Sessions, TunedModel } from './sessions.ts';
import type { BoxedSlice } from './tasks.ts';

const VERSION = 2;
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
  /** Of the last patient: the same serve both models, and exact boxes and jittered ones. */
  #last: { readonly of: string; readonly embeddings: Promise<Uint16Array[]> } | null = null;

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
   * The patient's slices with their boxes, and an artifact with each model's labels: see `encodePredictions`. With a seed the
   * boxes are drawn as those of the training are.
   */
  async predict(
    patient: EncodedPatient,
    models: readonly Which[],
    jitterSeed: number | null = null,
  ): Promise<{ boxed: readonly BoxedSlice[]; predictions: ArtifactRef }> {
    const { artifacts, compute } = this.#deps;
    const { model, weights, prompts } = this.#input;
    const { signal } = this.#attempt;
    const exact = await compute.run('boxes', { slices: await artifacts.get(patient.slices), setting: prompts }, signal);
    const boxed = jitterSeed === null ? exact : exact.map((slice) => jittered(slice, prompts, jitterSeed));
    const { jitter, jitterPixels } = prompts;
    const { value } = await artifacts.memo({
      stage: 'predict',
      version: VERSION,
      parameters: {
        ...{ ...boxSetting(prompts), models },
        ...(jitterSeed !== null && { jitter, jitterPixels, jitterSeed }),
      },
      inputs: [...modelDigests(model), weights.sha256, ...encodedDigests(patient)],
      schema: Result,
      signal,
      compute: async () => {
        const labels = new Map<Which, Uint8Array[]>();
        for (const which of models) labels.set(which, await this.#labels(patient, boxed, which));
        const stacks = decodeSlices(await artifacts.get(patient.slices));
        return { predictions: await artifacts.put('predictions', encodePredictions(labels, stacks)) };
      },
    });
    return { boxed, ...value };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#decoders.values()].map((decoder) => decoder.close()));
  }

  async #labels(patient: EncodedPatient, boxed: readonly BoxedSlice[], which: Which): Promise<Uint8Array[]> {
    const { signal, report } = this.#attempt;
    const decoder = await this.#decoder(which);
    const embeddings = await this.#embeddings(patient, which);
    const labels: Uint8Array[] = [];
    for (let from = 0; from < boxed.length; from += BATCH) {
      const batch = boxed.slice(from, from + BATCH).map((slice) => ({ ...slice, embedding: embeddings[slice.row]! }));
      for (const found of await segmentSlices(decoder, batch, signal)) labels.push(found.labels);
      report({ patient: patient.patient, which, done: labels.length, total: boxed.length });
    }
    return labels;
  }

  async #decoder(which: Which): Promise<MaskDecoder> {
    const { model } = this.#input;
    // What another stage left open would take the memory.
    if (this.#decoders.size === 0) await this.#sessions.release();
    const open = this.#decoders.get(which);
    if (open) return open;
    const sam =
      which === 'fineTuned' ? (await this.#tuned()).model : await this.#sessions.models.open(model, 'decoder');
    const decoder = await MaskDecoder.open(
      sam,
      this.#sessions.options(model, this.#attempt.signal),
      promptShape(this.#input.prompts),
    );
    this.#decoders.set(which, decoder);
    return decoder;
  }

  /** Those that were kept, or, where the training changed the encoder or none were, new ones. */
  async #embeddings(patient: EncodedPatient, which: Which): Promise<Uint16Array[]> {
    const own = which === 'fineTuned' && (await this.#tuned()).hasOwnEncoder;
    const of = `${encodedDigests(patient).join()} ${own}`;
    // The old ones go before the new ones come: a patient's may take most of the memory.
    if (this.#last?.of !== of) {
      this.#last = null;
      this.#last = { of, embeddings: this.#readOrMake(patient, own) };
    }
    return this.#last.embeddings;
  }

  async #readOrMake(patient: EncodedPatient, own: boolean): Promise<Uint16Array[]> {
    const { model, weights } = this.#input;
    if (!own && patient.shards.length > 0) return readEmbeddings(this.#deps.artifacts, patient);
    const tuned = own ? { ...(await this.#tuned()), weights } : undefined;
    const encoder = await this.#sessions.encoder(model, this.#attempt.signal, tuned);
    const stacks = decodeSlices(await this.#deps.artifacts.get(patient.slices));
    return encodeStacks(encoder, stacks, this.#attempt.signal);
  }

  #tuned(): Promise<TunedModel> {
    this.#tunedModel ??= this.#sessions.tuned(this.#input.model, this.#input.weights);
    return this.#tunedModel;
  }
}

/** A stream of random numbers beside those of the training. */
const JITTER_STREAM = 21;

function jittered(slice: BoxedSlice, prompts: PromptsConfig, seed: number): BoxedSlice {
  const { row, height, width, boxes } = slice;
  const draw = (box: Box, at: number) => jitterBox(box, height, width, prompts, seed, JITTER_STREAM, row, at);
  return { ...slice, boxes: boxes.map((one, at) => ({ ...one, box: draw(one.box, at) })) };
}

/** What of the prompts decides a patient's boxes from the truth. */
export function boxSetting(prompts: PromptsConfig) {
  const { box, minComponentPixels, padding, paddingPixels, empty, kind, positivePoints, negativePoints } = prompts;
  return { box, minComponentPixels, padding, paddingPixels, empty, kind, positivePoints, negativePoints };
}
