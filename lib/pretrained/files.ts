import { readBytes } from '../artifacts/parts.ts';
import { Fault } from '../fault.ts';
import type { Place } from './place.ts';
import { hubSuggestion } from './reference.ts';

/** More than any configuration or index has: what is larger is something else. */
const MAX_JSON_BYTES = 64 * 2 ** 20;

/** Null where there is no such file. @throws Fault MODEL_JSON */
export async function readJson(place: Place, name: string): Promise<unknown> {
  const file = await place.open(name);
  if (!file) return null;
  if (file.bytes > MAX_JSON_BYTES) throw noJson(name, `${file.bytes} bytes`);
  const text = Buffer.from(await readBytes(file, 0, file.bytes)).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noJson(name, 'no JSON', cause);
  }
}

function noJson(at: string, found: string, cause?: unknown): Fault {
  const fix = 'Use the file as the checkpoint has it';
  return new Fault('MODEL_JSON', { at, found, expected: 'JSON', fix }, { cause });
}

/** Says what is missing, and what may have been meant. */
export async function missingFile(place: Place, name: string): Promise<Fault> {
  const pickled = name === 'model.safetensors' && (await place.state('pytorch_model.bin')) !== null;
  return new Fault('MODEL_FILE_MISSING', {
    at: 'model.checkpoint',
    found: `${place.name} without a readable ${name}${pickled ? ', but with pytorch_model.bin' : ''}`,
    expected: 'config.json and model.safetensors, or the latter’s index and all its shards',
    fix: pickled ? 'Save the model as safetensors: a .bin file can run code and is not read' : wayOut(place.origin),
  });
}

function wayOut(origin: string): string {
  const hub = hubSuggestion(origin);
  if (hub) return `Write ${hub} if the model of the Hugging Face hub is meant`;
  return 'Name sam-nano, a folder in Hugging Face layout, s3://bucket/prefix or hf:owner/name';
}
