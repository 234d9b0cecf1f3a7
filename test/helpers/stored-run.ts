import type { ArtifactRef } from '../../contracts/artifact.ts';
import { RunConfig } from '../../contracts/config.ts';
import { lineageKey, type RunLineage } from '../../contracts/lineage.ts';
import type { MemoUse } from '../../contracts/memo.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { chainKey } from '../../lib/artifacts/keys.ts';
import type { ObjectStore } from '../../lib/artifacts/store.ts';
import { patientKey } from '../../lib/dataset/patient-key.ts';
import { shardDigests } from '../../lib/dataset/shards.ts';
import type { SliceStack } from '../../lib/dataset/slices.ts';
import { encodeSlices } from '../../lib/dataset/slices-record.ts';
import { smallRun } from './installation.ts';

export const SECRET = 'the key of the patients of a test';
export const keyOf = (id: string): string => patientKey(SECRET, id);

/** A patient by the id of the configuration; every artifact that is made of the patient's data has the id in its bytes. */
export interface StoredPatient {
  readonly id: string;
  readonly part: 'train' | 'val' | 'test';
}

export interface StoredRunOptions {
  readonly patients: readonly StoredPatient[];
  readonly learningRate?: number;
  /** Whether the description of the data set lists the ids. */
  readonly listed?: boolean;
}

export interface StoredRun {
  readonly lineage: RunLineage;
  readonly weights: ArtifactRef;
  readonly package: ArtifactRef;
  readonly report: ArtifactRef;
  readonly evaluation: ArtifactRef;
  readonly checkpoints: readonly ArtifactRef[];
}

interface MadePatient extends StoredPatient {
  readonly patient: string;
  readonly volume: ArtifactRef;
  readonly slices: ArtifactRef;
  readonly shards: { embeddings: ArtifactRef; from: number; to: number }[];
}

const SHARD = 2;
const schema = { parse: (value: unknown) => value as Record<string, ArtifactRef> };
const sha = ({ sha256 }: ArtifactRef): string => sha256;

/** What a pipeline leaves in a store, in the shapes of its stages and with no work in them: texts over a real memo. */
export async function storedRun(run: string, options: StoredRunOptions, store: ObjectStore): Promise<StoredRun> {
  const { patients, learningRate = 1e-4, listed = false } = options;
  const artifacts = new ArtifactStore(store);
  const uses: MemoUse[] = [];
  const lineage: { stage: string; artifact: ArtifactRef }[] = [];
  const text = (kind: string, words: string) => artifacts.put(kind, Buffer.from(words));
  const memo = async <T = Record<string, ArtifactRef>>(
    stage: string,
    parameters: unknown,
    inputs: readonly string[],
    compute: () => Promise<unknown>,
    patient?: string,
  ): Promise<T & { key: string }> => {
    const done = await artifacts.memo({
      ...{ stage, version: 1, parameters, inputs, schema, by: { run } },
      compute: compute as () => Promise<Record<string, ArtifactRef>>,
    });
    const { key, reused, cause, value } = done;
    uses.push({ key, reused, ...(cause && { cause }), ...(patient !== undefined && { patient }) });
    for (const artifact of Object.values(value)) if (artifact?.sha256) lineage.push({ stage, artifact });
    return { ...(value as T), key };
  };

  const config = RunConfig.parse(smallRun('a-run'));
  const ids = patients.map(({ id }) => ({ id, image: `${id}.nii.gz`, mask: `${id}-mask.nii.gz` }));
  const dataset = listed ? { target: 'lungs', patients: ids } : config.dataset;
  const spec = await artifacts.putJson('dataset-spec', { source: config.source, dataset });
  const filesOf = async ({ id }: StoredPatient) => {
    const file = async (kind: string) => ({
      name: `${id}.nii`,
      path: `${id}.nii`,
      ref: await text(kind, `${kind} of ${id}`),
    });
    const [image, mask] = [[await file('scan')], await file('mask')];
    const patient = keyOf(id);
    return {
      patient,
      image,
      mask,
      files: await artifacts.putJson('patient-files', { patient, image, mask, labels: null }),
    };
  };
  const found = await Promise.all(patients.map(filesOf));
  await memo('download', { fingerprint: ids.map(({ id }) => keyOf(id)) }, [sha(spec)], async () => ({
    patients: found.map(({ patient, files }) => ({ patient, files, split: null })),
    licence: await text('licence', 'free'),
    stored: found.flatMap(({ image, mask }) => [...image.map(({ ref }) => ref), mask.ref]),
  }));
  const { model } = await memo('import-model', {}, [], async () => ({ model: await text('weights', 'as published') }));

  const made: MadePatient[] = [];
  for (const [at, { id, part }] of patients.entries()) {
    const { patient, image, mask } = found[at]!;
    const { volume } = await memo(
      ...([
        'convert',
        {},
        [sha(image[0]!.ref), sha(mask.ref)],
        async () => ({ volume: await text('volume', `volume of ${id}`) }),
        patient,
      ] as const),
    );
    const bytes = encodeSlices([stackOf(id)]);
    const { slices } = await memo(
      ...([
        'slice',
        {},
        [sha(volume!)],
        async () => ({ slices: await artifacts.put('slices', bytes) }),
        patient,
      ] as const),
    );
    const digests = shardDigests(bytes, [SHARD]);
    const shards: MadePatient['shards'] = [];
    for (const [shard, digest] of digests.entries()) {
      // A record names no more than the first of many.
      const whose = shard === 0 ? patient : undefined;
      const { embeddings } = await memo(
        ...([
          'encode',
          { runs: [[SHARD, 4, 4]] },
          [digest, sha(model!)],
          async () => ({ embeddings: await text('embeddings', `embeddings ${shard} of ${id}`) }),
          whose,
        ] as const),
      );
      if (shard > 0) uses.pop();
      shards.push({ embeddings: embeddings!, from: shard * SHARD, to: (shard + 1) * SHARD });
    }
    made.push({ id, part, patient, volume: volume!, slices: slices!, shards });
  }
  const inPart = (part: StoredPatient['part']) => made.filter((one) => one.part === part);
  const keysIn = (part: StoredPatient['part']) => inPart(part).map(({ patient }) => patient);
  const digestsOf = (some: typeof made) =>
    some.flatMap(({ slices, shards }) => [sha(slices), ...shards.map(({ embeddings }) => sha(embeddings))]);
  const split = { train: keysIn('train'), val: keysIn('val'), test: keysIn('test') };
  const { record } = await memo(
    'split',
    { patients: made.map(({ patient }) => patient) },
    made.map(({ slices }) => sha(slices)),
    async () => ({
      record: await artifacts.putJson('split', { split }),
    }),
  );

  const learners = [...inPart('train'), ...inPart('val')];
  const learned = await memo(
    'fine-tune',
    { training: { learningRate } },
    [sha(model!), ...digestsOf(learners)],
    async () => ({
      weights: await text('weights', `tuned by ${learningRate} on ${split.train} and ${split.val}`),
      curves: await artifacts.putJson('curves', { epochs: [{ learningRate, of: split.train }] }),
    }),
  );
  const [weights, curves] = [learned.weights!, learned.curves!];
  const chain = chainKey(learned.key, undefined);
  const checkpoints = [];
  for (const step of [1, 2]) {
    const checkpoint = await text('checkpoint', `${step} of ${learningRate} on ${split.train}`);
    const place = `runs/${chain}/steps/${String(step).padStart(9, '0')}.json`;
    await store.put(place, Buffer.from(JSON.stringify({ step, checkpoint })));
    checkpoints.push(checkpoint);
  }
  await store.put(`runs/${chain}/head.json`, Buffer.from('{}'));

  const test = inPart('test');
  const evaluated = await memo(
    'evaluate',
    { patients: split.test },
    [sha(model!), sha(weights), ...test.flatMap((one) => [...digestsOf([one]), sha(one.volume)])],
    async () => {
      const scored = await Promise.all(
        test.map(async ({ id, patient }) => ({
          ...{ patient, dice: id.length },
          predictions: await text('predictions', `predictions of ${id} by ${sha(weights)}`),
        })),
      );
      const evaluation = await artifacts.putJson('evaluation', { patients: scored });
      return { evaluation, predictions: scored.map(({ predictions }) => predictions) };
    },
  );
  const evaluation = evaluated.evaluation!;
  const packed = await memo(
    'package',
    { learnedFrom: [...split.train, ...split.val] },
    [...inPart('train').map(({ slices }) => sha(slices)), sha(weights)],
    async () => ({
      package: await artifacts.putJson('model-package', {
        ...{ weights, model, learnedFrom: [...split.train, ...split.val], heldOut: split.test },
      }),
    }),
  );
  const masks = [];
  for (const { id, patient, volume } of test) {
    const { mask } = await memo(
      'infer',
      {},
      [sha(packed.package!), sha(volume)],
      async () => ({ mask: await text('mask', `mask of ${id} by ${sha(weights)}`) }),
      patient,
    );
    masks.push({ patient, mask });
  }
  const reported = await memo(
    'report',
    { run, split, infer: masks, lineage },
    [sha(evaluation), sha(curves)],
    async () => ({
      report: await text('report', `report of ${run} with pictures of ${test.map(({ id }) => id)}`),
    }),
  );

  const settings = { ...config, training: { ...config.training, learningRate } };
  const { name, source, dataset: _, ...rest } = settings;
  const structures = [{ name: 'lungs', label: null }];
  const account: RunLineage = { input: { name, target: 'lungs', structures, spec, settings: rest }, uses };
  await store.put(lineageKey(run), Buffer.from(JSON.stringify(account)));
  const result = {
    ...{ run, name, split: { ...split, record }, weights, curves, model, masks, evaluation },
    ...{ package: packed.package, report: reported.report, test: test.map(({ id, part, ...one }) => one) },
    patients: made.map(({ patient, volume, slices }) => ({ patient, volume, slices })),
    repairs: made.map(({ patient }) => `${patient}: a voxel size of 0 was taken from the affine`),
  };
  await store.put(`runs/${run}/result.json`, Buffer.from(JSON.stringify(result)));
  return { lineage: account, weights, package: packed.package!, report: reported.report!, evaluation, checkpoints };
}

/** Four slices whose pixels are the patient's id, counted. */
function stackOf(id: string): SliceStack {
  const [count, height, width] = [4, 4, 4];
  const words = Array.from({ length: count * height * width }, (_, at) => `${id} ${at}`).join(' ');
  const pixels = Buffer.from(words).subarray(0, count * height * width);
  const window = { low: 0, high: 1 } as unknown as SliceStack['window'];
  return {
    ...{ pixels: Uint8Array.from(pixels), masks: null, index: Int32Array.from([0, 1, 2, 3]), height, width },
    ...{ total: count, axis: 'axial', window, pixelMm: [1, 1] },
  };
}
