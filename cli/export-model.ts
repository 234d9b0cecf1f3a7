import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { PipelineResult } from '../contracts/pipeline.ts';
import { ModelPackage } from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { canonicalJson } from '../lib/artifacts/canonical-json.ts';
import { modelCard } from '../lib/pretrained/model-card.ts';
import { streamTensors } from '../lib/pretrained/tensor-stream.ts';
import { writeWeights } from '../lib/pretrained/write-weights.ts';
import { decodeSafetensors, type SafeTensor, toFloat32 } from '../lib/safetensors.ts';
import { checkpointText, configJson, processorJson, type WrittenConfig } from '../lib/sam/checkpoint-json.ts';
import { readSamConfig } from '../lib/sam/config.ts';
import { decoderTensors, exportDecoder } from '../lib/sam/export-decoder.ts';
import { configAt, resizePositions } from '../lib/sam/input-size.ts';
import { checkReplaced, parameterShapes } from '../lib/sam/model.ts';

export type Format = 'hf' | 'onnx';

export interface ExportedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes the fine-tuned model of a run into a folder. The same run gives the same bytes. */
export async function exportModel(
  format: Format,
  result: PipelineResult,
  artifacts: ArtifactStore,
  folder: string,
): Promise<ExportedFile[]> {
  const tuned = await openTuned(result, artifacts);
  const names = format === 'hf' ? await writeFolder(tuned, folder) : await writeDecoder(tuned, folder);
  return Promise.all(names.map((name) => describe(join(folder, name))));
}

/** The base model and what training has put in the place of some of its tensors. */
interface Tuned extends WrittenConfig {
  readonly result: PipelineResult;
  readonly artifacts: ArtifactStore;
  readonly json: { readonly config: unknown; readonly preprocessor: unknown };
  readonly replaced: ReadonlyMap<string, SafeTensor>;
}

async function openTuned(result: PipelineResult, artifacts: ArtifactStore): Promise<Tuned> {
  const { model, weights } = result;
  const json = {
    config: await artifacts.getJson(model.config, z.unknown()),
    preprocessor: await artifacts.getJson(model.preprocessor, z.unknown()),
  };
  const own = readSamConfig(json.config);
  const config = configAt(own, model.inputSize ?? own.imageSize);
  const { tensors: replaced } = decodeSafetensors(await artifacts.get(weights), weights.kind);
  checkReplaced(parameterShapes(config), replaced);
  return { result, artifacts, json, own, config, replaced };
}

/** The base model's tensors, those of positions at the input size of the run. */
async function* baseTensors({ result, artifacts, config }: Tuned): AsyncGenerator<readonly [string, SafeTensor]> {
  const { weights } = result.model;
  const shapes = parameterShapes(config);
  for await (const [name, tensor] of streamTensors(artifacts.stream(weights), weights.bytes, weights.kind)) {
    const shape = shapes.get(name) ?? tensor.shape;
    if (shape.every((extent, axis) => extent === tensor.shape[axis])) yield [name, tensor];
    else yield [name, tensorOf(resizePositions(toFloat32(tensor), tensor.shape, shape), shape)];
  }
}

const tensorOf = (values: Float32Array, shape: readonly number[]): SafeTensor => ({
  ...{ dtype: 'F32' as const, shape: [...shape] },
  data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

/** All that `from_pretrained` of Hugging Face's transformers reads, with a card. */
async function writeFolder(tuned: Tuned, folder: string): Promise<string[]> {
  const { config, json, replaced } = tuned;
  const texts = {
    'config.json': toJson(configJson(json.config, tuned)),
    'preprocessor_config.json': toJson(processorJson(json.preprocessor, tuned)),
    'README.md': await cardOf(tuned),
  };
  await writeWeights(join(folder, 'model.safetensors'), parameterShapes(config), baseTensors(tuned), replaced);
  for (const [name, text] of Object.entries(texts)) await writeWhole(join(folder, name), text);
  return ['model.safetensors', ...Object.keys(texts)];
}

async function writeDecoder(tuned: Tuned, folder: string): Promise<string[]> {
  const { config, replaced } = tuned;
  const wanted = decoderTensors(config);
  const tensors = new Map<string, Float32Array>();
  for await (const [name, tensor] of baseTensors(tuned)) if (wanted.has(name)) tensors.set(name, toFloat32(tensor));
  for (const [name, tensor] of replaced) if (wanted.has(name)) tensors.set(name, toFloat32(tensor));
  await writeWhole(join(folder, 'decoder.onnx'), exportDecoder(config, tensors));
  return ['decoder.onnx'];
}

async function cardOf({ result, artifacts, config }: Tuned): Promise<string> {
  const { model, run, metrics, split } = result;
  const { name, target, fingerprint, slices, prompts } = await artifacts.getJson(result.package, ModelPackage);
  const { window } = slices;
  const isPlace = /^(hf|s3):/.test(model.origin ?? '');
  return modelCard({
    ...{ name, target, run, ...metrics, dataDigest: fingerprint, baseSha256: model.weights.sha256 },
    // A folder's path says something of this machine and nothing to others.
    base: isPlace ? model.origin! : model.name,
    patients: { train: split.train.length, val: split.val.length, test: split.test.length },
    inputSize: config.imageSize,
    window: typeof window === 'string' ? `\`${window}\`` : `\`${JSON.stringify(window)}\``,
    axis: AXES[slices.axis] ?? slices.axis,
    boxes: prompts.box === 'component' ? 'one for each connected part of the target' : 'one around all of the target',
  });
}

/** What the card says of them. */
const AXES: Readonly<Record<string, string>> = {
  auto: 'axial, as the scan’s affine has it',
  all: 'axial, coronal and sagittal',
};

/** Keys sorted, as transformers writes them. */
const toJson = (value: unknown): string => checkpointText(JSON.parse(canonicalJson(value)));

/** Written aside and moved into place, so that nobody reads half a file. */
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const part = `${path}.part`;
  try {
    await writeFile(part, content);
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

async function describe(path: string): Promise<ExportedFile> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return { path, bytes: (await stat(path)).size, sha256: hash.digest('hex') };
}
