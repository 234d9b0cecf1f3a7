import { z } from 'zod';
import { ImportModelInput, ImportModelResult, type ModelRef } from '../contracts/stages.ts';
import { readBytes } from '../lib/artifacts/parts.ts';
import { fingerprintPretrained, openPretrained, readPretrained } from '../lib/pretrained/open.ts';
import type { Place } from '../lib/pretrained/place.ts';
import type { Weights } from '../lib/pretrained/weights.ts';
import { encodeSafetensors, readSafetensorsHeader } from '../lib/safetensors.ts';
import { readSamConfig } from '../lib/sam/config.ts';
import { configAt } from '../lib/sam/input-size.ts';
import { belongsTo, checkTensors, parameterShapes } from '../lib/sam/model.ts';
import { readProcessor } from '../lib/sam/processor.ts';
import { type Attempt, activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 3;
const Result = ImportModelResult.omit({ reused: true, seconds: true });
type Result = Omit<ImportModelResult, 'reused' | 'seconds'>;

/** Puts a checkpoint in Hugging Face layout into the store, from wherever it is, once every tensor was checked by its header. */
export const createImportModel = (deps: ActivityDeps) =>
  activity(ImportModelInput, async ({ checkpoint, ...how }, attempt): Promise<ImportModelResult> => {
    const { signal, by, report } = attempt;
    const place = await openPretrained(checkpoint, {
      ...{ modelsDir: deps.modelsDir, openBucket: deps.openBucket, cacheDir: deps.cacheDir, signal, ...deps.hub },
      onProgress: (file, doneBytes, totalBytes) => report({ fetching: file, doneBytes, totalBytes }),
    });
    const { value, ...outcome } = await deps.artifacts.memo({
      stage: 'import-model',
      version: VERSION,
      parameters: await fingerprintPretrained(place),
      inputs: [],
      schema: Result,
      signal,
      by,
      compute: () => store(place, deps, attempt),
    });
    await place.discard();
    return { model: await runAs(value.model, how, deps.artifacts), ...outcome };
  });

async function store(place: Place, { artifacts }: ActivityDeps, { signal, report }: Attempt): Promise<Result> {
  const { config, preprocessor, weights } = await readPretrained(place);
  const sam = readSamConfig(config);
  readProcessor(preprocessor, sam);
  checkTensors(parameterShapes(sam), weights.tensors);
  return {
    model: {
      name: place.name,
      origin: place.origin,
      config: await artifacts.putJson('model-config', config),
      preprocessor: await artifacts.putJson('model-preprocessor', preprocessor),
      weights: await artifacts.putSource('weights', weights.source, {
        ...{ sha256: weights.sha256, signal },
        onProgress: (doneBytes, totalBytes) => report({ storing: 'weights', doneBytes, totalBytes }),
      }),
      decoder: await artifacts.put('weights', await decoderOf(weights)),
      embeddingShape: [sam.decoder.hidden_size, sam.grid, sam.grid],
    },
  };
}

/** The tensors that are not the image encoder's, as a safetensors file of their own. */
async function decoderOf({ source }: Weights): Promise<Uint8Array> {
  const { tensors } = await readSafetensorsHeader((from, to) => readBytes(source, from, to), source.bytes, 'weights');
  const read = async (name: string) => {
    const { dtype, shape, from, bytes } = tensors.get(name)!;
    return [name, { dtype, shape, data: await readBytes(source, from, from + bytes) }] as const;
  };
  const names = [...tensors.keys()].filter((name) => belongsTo('decoder', name));
  return encodeSafetensors(await Promise.all(names.map(read)), { format: 'pt' });
}

/** The reference, with how the run wants the model: checked here, before any work is done with it. */
async function runAs(
  model: ModelRef,
  { inputSize, precision, device }: Omit<ImportModelInput, 'checkpoint'>,
  artifacts: ActivityDeps['artifacts'],
): Promise<ModelRef> {
  const how = { ...(precision !== 'auto' && { precision }), ...(device !== 'cpu' && { device }) };
  if (inputSize === undefined) return { ...model, ...how };
  const config = readSamConfig(await artifacts.getJson(model.config, z.unknown()));
  const { imageSize, grid } = configAt(config, inputSize);
  return { ...model, ...how, inputSize: imageSize, embeddingShape: [model.embeddingShape[0], grid, grid] };
}
