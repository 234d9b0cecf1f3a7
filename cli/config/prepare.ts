import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { RunConfig } from '../../contracts/config.ts';
import type { RunSettings } from '../../contracts/pipeline.ts';
import type { DatasetSpec } from '../../contracts/stages.ts';
import { canonicalJson } from '../../lib/artifacts/canonical-json.ts';
import { fingerprintSource, isOnThisMachine } from '../../lib/dataset/sources/open.ts';
import { hubSuggestion, parseReference } from '../../lib/pretrained/reference.ts';
import { configFault } from './explain.ts';

/** A configuration that was checked against this machine and is ready to be sent. */
export interface PreparedRun {
  readonly config: RunConfig;
  /** Names patients: it goes into the store. */
  readonly spec: DatasetSpec;
  /** Names nobody: it goes into the workflow's input. */
  readonly settings: RunSettings;
  /** Workflow id: the same configuration and data give the same id, so starting again is resuming. */
  readonly run: string;
}

/** Makes paths absolute, looks whether they exist, and derives the run's id. @throws Fault CONFIG, SOURCE_… */
export async function prepareRun(config: RunConfig, cwd = process.cwd()): Promise<PreparedRun> {
  const source = await localSource(config.source, cwd);
  const model = { ...config.model, checkpoint: await checkpointPath(config.model.checkpoint, cwd) };
  const { name, device, dataset, split, slices, prompts, training } = config;
  const settings: RunSettings = { split, model, device, slices, prompts, training };
  const spec: DatasetSpec = { source, dataset };
  // Other sources may need the network and the accounts of the io worker: their state is looked at there.
  const data = isOnThisMachine(source) ? await fingerprintSource(source, { cacheDir: '' }) : null;
  const digest = createHash('sha256').update(canonicalJson({ name, spec, settings, data })).digest('hex');
  return { config, spec, settings, run: `${name}-${digest.slice(0, 12)}` };
}

async function localSource(source: RunConfig['source'], cwd: string): Promise<RunConfig['source']> {
  if (source.kind !== 'local') return source;
  const path = resolve(cwd, source.path);
  if (await exists(path)) return { ...source, path };
  throw configFault(
    'source.path',
    `\`${source.path}\`, where nothing is`,
    'a folder or an archive (.zip, .tar.gz)',
    'Correct the path',
  );
}

/** A word is a model that comes with samflow; anything with a slash is a folder, unless it names a bucket or the hub. */
async function checkpointPath(checkpoint: string, cwd: string): Promise<string> {
  if (parseReference(checkpoint).kind !== 'folder') return checkpoint;
  if (!isAbsolute(checkpoint) && !/[/\\]/.test(checkpoint)) return checkpoint;
  const path = resolve(cwd, checkpoint);
  if (await exists(path)) return path;
  const hub = hubSuggestion(checkpoint);
  const fix = hub
    ? `Write ${hub} if the model of the Hugging Face hub is meant, or correct the path`
    : 'Correct the path, or leave the key out to use sam-nano';
  throw configFault('model.checkpoint', `\`${checkpoint}\`, where nothing is`, 'a folder in Hugging Face layout', fix);
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
