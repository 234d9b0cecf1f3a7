import { isAbsolute, join } from 'node:path';
import type { ObjectStore } from '../artifacts/store.ts';
import { openBucket } from './bucket.ts';
import { missingFile, readJson } from './files.ts';
import { openFolder } from './folder.ts';
import { type HubOptions, openHub } from './hub.ts';
import type { Place } from './place.ts';
import { parseReference } from './reference.ts';
import { openWeights, type Weights, weightFiles } from './weights.ts';

export interface PretrainedOptions extends HubOptions {
  /** Folder of the models that come with samflow, by name. */
  modelsDir: string;
  /** The buckets within reach. */
  openBucket(bucket: string): ObjectStore;
}

/** Finds the folder that `model.checkpoint` names. @throws Fault MODEL_REFERENCE, and those of the hub and the store */
export async function openPretrained(checkpoint: string, options: PretrainedOptions): Promise<Place> {
  const reference = parseReference(checkpoint);
  switch (reference.kind) {
    case 'folder': {
      const { path } = reference;
      return openFolder(isAbsolute(path) ? path : join(options.modelsDir, path), checkpoint);
    }
    case 'bucket':
      return openBucket(options.openBucket(reference.bucket), reference.bucket, reference.prefix);
    case 'hub':
      return openHub(reference, options);
  }
}

const CONFIG = 'config.json';
const PREPROCESSOR = 'preprocessor_config.json';

/** What decides the model's bytes, found without reading the weights: equal values mean equal bytes. */
export async function fingerprintPretrained(place: Place): Promise<unknown> {
  if (place.pinned) return { origin: place.origin };
  if (!(await place.state(CONFIG))) throw await missingFile(place, CONFIG);
  const files = [CONFIG, PREPROCESSOR, ...(await weightFiles(place))];
  return { origin: place.origin, files: await Promise.all(files.map(async (file) => [file, await place.state(file)])) };
}

export interface Pretrained {
  /** Parsed, not checked. */
  readonly config: unknown;
  /** Parsed, not checked; null where the folder has none. */
  readonly preprocessor: unknown;
  readonly weights: Weights;
}

/** @throws Fault MODEL_FILE_MISSING, MODEL_JSON, MODEL_INDEX, SAFETENSORS_… */
export async function readPretrained(place: Place): Promise<Pretrained> {
  const config = await readJson(place, CONFIG);
  if (config === null) throw await missingFile(place, CONFIG);
  return { config, preprocessor: await readJson(place, PREPROCESSOR), weights: await openWeights(place) };
}
