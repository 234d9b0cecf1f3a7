import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunConfig } from '../../contracts/config.ts';
import type { RunSettings } from '../../contracts/pipeline.ts';
import type { DatasetSpec } from '../../contracts/stages.ts';
import { canonicalJson } from '../../lib/artifacts/canonical-json.ts';
import { pairPatients } from '../../lib/dataset/pairing.ts';
import { fingerprintSource, isOnThisMachine, openSource } from '../../lib/dataset/sources/open.ts';
import type { Fault } from '../../lib/fault.ts';
import { openFolder } from '../../lib/pretrained/folder.ts';
import { fingerprintPretrained } from '../../lib/pretrained/open.ts';
import { hubSuggestion, parseReference } from '../../lib/pretrained/reference.ts';
import { cacheDirOf } from '../dev/folders.ts';
import { configFault } from './explain.ts';
import { nearest } from './nearest.ts';

/** Models that come with samflow, by name. */
const MODELS = fileURLToPath(new URL('../../models', import.meta.url));

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

/**
 * Makes paths absolute, looks at checkpoint and data where they are on this machine, and derives the run's id: what the
 * first stages would refuse after minutes is refused here. @throws Fault CONFIG, MODEL_…, SOURCE_…, those of `pairPatients`
 */
export async function prepareRun(config: RunConfig, cwd = process.cwd()): Promise<PreparedRun> {
  const source = await localSource(config.source, cwd);
  const model = { ...config.model, checkpoint: await checkpointPath(config.model.checkpoint, cwd) };
  const { name, device, dataset, split, slices, prompts, training, evaluation } = config;
  const settings: RunSettings = { split, model, device, slices, prompts, training, evaluation };
  const spec: DatasetSpec = { source, dataset };
  const data = await lookAtData(spec);
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

/** The state of the data, once every patient's files were found; null where only the io worker can look. */
async function lookAtData({ source, dataset }: DatasetSpec): Promise<string | null> {
  const options = { cacheDir: cacheDirOf(process.env) };
  // Other sources may need the network and the accounts of that worker.
  if (!isOnThisMachine(source)) return null;
  if (source.kind === 'phantom') return fingerprintSource(source, options);
  const listing = await openSource(source, options);
  try {
    pairPatients(listing.files, dataset);
    return listing.fingerprint;
  } finally {
    await listing.close();
  }
}

/** A word is a model that comes with samflow; anything with a slash is a folder, unless it names a bucket or the hub. */
async function checkpointPath(checkpoint: string, cwd: string): Promise<string> {
  if (parseReference(checkpoint).kind !== 'folder') return checkpoint;
  const isWord = !isAbsolute(checkpoint) && !/[/\\]/.test(checkpoint);
  const path = isWord ? join(MODELS, checkpoint) : resolve(cwd, checkpoint);
  if (await exists(path)) {
    // Whether what is there can be a model, as the io worker will look.
    await fingerprintPretrained(openFolder(path, checkpoint));
    return isWord ? checkpoint : path;
  }
  if (isWord) throw await unknownModel(checkpoint);
  const hub = hubSuggestion(checkpoint);
  const fix = hub
    ? `Write ${hub} if the model of the Hugging Face hub is meant, or correct the path`
    : 'Correct the path, or leave the key out to use sam-nano';
  throw configFault('model.checkpoint', `\`${checkpoint}\`, where nothing is`, 'a folder in Hugging Face layout', fix);
}

async function unknownModel(word: string): Promise<Fault> {
  const entries = await readdir(MODELS, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const guess = nearest(word, names);
  const expected = `${names.join(', ')}, a folder in Hugging Face layout, s3://bucket/prefix or hf:owner/name`;
  const fix = guess ? `Did you mean \`${guess}\`?` : 'Name a folder with a slash in it, e.g. ./model';
  return configFault('model.checkpoint', `\`${word}\`, which does not come with samflow`, expected, fix);
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
