import type { ArtifactRef } from '../../contracts/artifact.ts';
import { RunConfig } from '../../contracts/config.ts';
import { failureKey, lineageKey, type RunLineage } from '../../contracts/lineage.ts';
import type { MemoUse } from '../../contracts/memo.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import type { ObjectStore } from '../../lib/artifacts/store.ts';
import { smallRun } from './installation.ts';

export interface TinyRun {
  /** Whose scans there are: what is in them, by patient key. */
  readonly scans: Readonly<Record<string, string>>;
  readonly learningRate?: number;
  readonly window?: string;
  /** Of the slice stage. */
  readonly version?: number;
  readonly token?: string;
  /** Fails in its training. */
  readonly fails?: true;
}

const PATIENTS = ['p-000000000001', 'p-000000000002', 'p-000000000003'] as const;
export const SCANS: Readonly<Record<string, string>> = Object.fromEntries(
  PATIENTS.map((key) => [key, `scan of ${key}`]),
);

/** The stages' shape with no work in them: texts that name what they were made of, over a real memo and a real store. */
export async function tinyRun(run: string, how: TinyRun, store: ObjectStore): Promise<RunLineage> {
  const { scans, learningRate = 1e-4, window = 'lung', version = 1, token } = how;
  const artifacts = new ArtifactStore(store);
  const uses: MemoUse[] = [];
  const schema = { parse: (value: unknown) => value as Record<string, ArtifactRef> };
  const stage = async (
    name: string,
    parameters: unknown,
    from: readonly ArtifactRef[],
    kinds: readonly string[],
    patient?: string,
  ): Promise<ArtifactRef[]> => {
    const { value, key, reused, cause } = await artifacts.memo({
      ...{ stage: name, version: name === 'slice' ? version : 1, parameters, schema },
      inputs: from.map(({ sha256 }) => sha256),
      by: { run, ...(token !== undefined && { token }) },
      compute: async () => {
        const text = JSON.stringify([name, parameters, from.map(({ sha256 }) => sha256)]);
        const refs = kinds.map(async (kind) => [kind, await artifacts.put(kind, Buffer.from(`${kind} ${text}`))]);
        return Object.fromEntries(await Promise.all(refs));
      },
    });
    uses.push({ key, reused, ...(cause && { cause }), ...(patient !== undefined && { patient }) });
    return kinds.map((kind) => value[kind]!);
  };

  const config = RunConfig.parse(smallRun(run.replace('/', '-')));
  const { name, dataset, split, model, device, slices, prompts, training, evaluation } = config;
  const spec = await artifacts.putJson('dataset-spec', { source: config.source, dataset });
  const settings = { split, model, device, slices, prompts, training: { ...training, learningRate }, evaluation };
  await stage('download', { fingerprint: JSON.stringify(scans) }, [spec], ['licence']);
  const [weights] = await stage('import-model', {}, [], ['weights']);
  const encoded: ArtifactRef[] = [];
  for (const [patient, content] of Object.entries(scans)) {
    const scan = await artifacts.put('scan', Buffer.from(content));
    const volume = await stage('convert', {}, [scan], ['volume'], patient);
    const sliced = await stage('slice', { window }, volume, ['slices'], patient);
    encoded.push(...(await stage('encode', {}, [...sliced, weights!], ['embeddings'], patient)));
  }
  const structures = [{ name: 'lungs', label: null }];
  const input = { name, target: 'lungs', structures, spec, settings };
  const record = async (key: string, lineage: RunLineage): Promise<RunLineage> => {
    await store.put(key, Buffer.from(JSON.stringify(lineage)));
    return lineage;
  };
  if (how.fails) {
    const failed = { stage: 'fine-tune', code: 'TRAINING_DIVERGED' };
    return record(failureKey(run), { input, uses, failed });
  }
  const tuned = await stage('fine-tune', { training: { learningRate } }, [weights!, ...encoded], ['weights', 'curves']);
  const scored = await stage('evaluate', {}, [weights!, tuned[0]!], ['evaluation']);
  await stage('report', { run }, [...scored, tuned[1]!], ['report']);
  return record(lineageKey(run), { input, uses });
}
