import type { PatientKey } from '../../contracts/artifact.ts';
import { type Document, type Owned, readDocuments } from './documents.ts';
import { casKey } from './keys.ts';
import { artifactRefsIn } from './manifest.ts';
import { LEARNING, type Taken, unfinishedIn } from './plan-deletion.ts';
import type { ObjectStore } from './store.ts';
import type { StoreContent } from './store-content.ts';

/** How a patient is looked for. */
export interface PatientSearch {
  readonly patient: PatientKey;
  /** The pseudonym of an id, as the installation makes it. */
  readonly keyOf: (id: string) => PatientKey;
  /** SHA-256 of what `encode` is asked for of a `slices` artifact, in shards of each of these sizes. */
  readonly shardDigests: (slices: Uint8Array, sizes: readonly number[]) => readonly string[];
  /** What open workflows and schedules hold. */
  readonly roots: readonly unknown[];
  /** Keys of artifacts that an earlier deletion of this patient was still to delete. */
  readonly pending: readonly string[];
}

/** Where a patient is found. */
export interface PatientTrace {
  /** The pseudonym, and those under which the very same scan was stored: by `infer`, or in another data set. */
  readonly patients: readonly string[];
  readonly taken: Taken;
  /** Artifacts of the patient that another one has too, bit by bit: they stay. */
  readonly shared: number;
  /** Runs whose weights have learned from the patient, or whose best epoch was chosen by it. */
  readonly learned: readonly string[];
  /** Runs that were only tested on the patient. */
  readonly tested: readonly string[];
  /** Keys of registry entries whose model has learned from the patient. */
  readonly models: readonly string[];
  /** Trainings without a result: nobody can tell from whom they have learned. */
  readonly unfinished: number;
}

/**
 * Finds everything in a store that was made of one patient's data: files, volumes, slices, embeddings, masks, scores, and every result
 * in whose making these took part. What has learned from the patient (weights, and a model's prior) is named and not taken:
 * it cannot be told apart from what the others have taught.
 */
export async function tracePatient(
  store: ObjectStore,
  content: StoreContent,
  { patient, keyOf, shardDigests, roots, pending }: PatientSearch,
): Promise<PatientTrace> {
  const { documents, owners } = await readDocuments(store, content, roots);
  const patients = samePatients(patient, documents);
  const isOurs = (key: unknown): boolean => patients.has(String(key));
  const { taken, shared } = await follow(store, content, { documents, owners, isOurs, pending, shardDigests });
  const isNamed = ({ value }: Document): boolean => idsIn(value).some((id) => isOurs(keyOf(id)));
  for (const spec of documents) {
    if (spec.kind === 'dataset-spec' && isNamed(spec)) taken.artifacts.set(spec.key, spec.kind);
  }
  const hasPart = (of: 'train' | 'val' | 'test'): string[] =>
    content.runs.flatMap(({ id, values }) => (values.some((value) => partOf(value, of).some(isOurs)) ? [id] : []));
  const learned = [...new Set([...hasPart('train'), ...hasPart('val')])].sort();
  const packages = new Set(
    documents.flatMap(({ key, kind, value }) =>
      kind === 'model-package' && listIn(value, 'learnedFrom').some(isOurs) ? [key] : [],
    ),
  );
  return {
    patients: [...patients].sort(),
    taken,
    shared: shared.size,
    learned,
    tested: hasPart('test').filter((id) => !learned.includes(id)),
    models: content.others.flatMap(({ object, value }) =>
      artifactRefsIn(value).some(({ key }) => packages.has(key)) ? [object.key] : [],
    ),
    unfinished: unfinishedIn(content).length,
  };
}

/** The patient under all its names: a scan that is the same bit by bit is of the same person. */
function samePatients(patient: string, documents: readonly Document[]): Set<string> {
  const files = documents.filter(({ kind }) => kind === 'patient-files');
  const scansOf = ({ value }: Document): string[] => artifactRefsIn(value?.image).map(({ key }) => key);
  const found = new Set([patient]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    const scans = new Set(files.filter(({ value }) => found.has(String(value?.patient))).flatMap(scansOf));
    for (const file of files) if (scansOf(file).some((key) => scans.has(key))) found.add(String(file.value?.patient));
  }
  return found;
}

interface Known extends Pick<PatientSearch, 'pending' | 'shardDigests'> {
  readonly documents: readonly Document[];
  readonly owners: ReadonlyMap<string, Owned>;
  readonly isOurs: (patient: unknown) => boolean;
}

/** From the patient's own artifacts to what was made of them, and from there on. */
async function follow(
  store: ObjectStore,
  content: StoreContent,
  { documents, owners, isOurs, pending, shardDigests }: Known,
) {
  const artifacts = new Map<string, string>();
  const results = new Set<string>();
  const shared = new Set<string>();
  const take = (key: string, kind: string): void => {
    const isOthers = [...(owners.get(key)?.who ?? [])].some((who) => !isOurs(who));
    if (isOthers) shared.add(key);
    else artifacts.set(key, kind);
  };
  const entries = content.manifests.flatMap(({ object: { key }, manifest }) =>
    manifest ? [{ key, ...manifest, refs: artifactRefsIn(manifest.value) }] : [],
  );
  type Entry = (typeof entries)[number];
  const takeMade = ({ key, stage, refs }: Entry): void => {
    results.add(key);
    // A download brings everybody's files, and says itself which are whose.
    if (!LEARNING.has(stage) && stage !== 'download') for (const ref of refs) take(ref.key, ref.kind);
  };

  for (const key of pending) take(key, 'other');
  for (const [key, { kind, who }] of owners) if ([...who].some(isOurs)) take(key, kind);
  const used = new Set(content.runs.flatMap(({ values }) => values.flatMap((value) => usesOf(value, isOurs))));
  for (const entry of entries) if (used.has(entry.key)) takeMade(entry);

  const encoded = entries.filter(({ stage }) => stage === 'encode');
  const looked = new Set<string>();
  for (let before = -1; before < artifacts.size + results.size; ) {
    before = artifacts.size + results.size;
    for (const entry of entries) {
      if (entry.inputs.some((sha256) => artifacts.has(casKey(sha256)))) takeMade(entry);
      else if (entry.refs.some(({ key }) => artifacts.has(key))) results.add(entry.key);
    }
    for (const { key, kind, refs } of documents) {
      if (refs.some((ref) => artifacts.has(ref.key))) take(key, kind);
      // A list of embeddings is of one patient.
      if (kind === 'embedding-index' && artifacts.has(key)) for (const ref of refs) take(ref.key, ref.kind);
    }
    // Embeddings lie under the pixels that they were made of, whoever's these are.
    for (const [key, kind] of artifacts) {
      if (kind !== 'slices' || looked.has(key)) continue;
      looked.add(key);
      const object = await store.get(key);
      const digests = new Set(object ? shardDigests(object.bytes, sizesOf(encoded)) : []);
      for (const entry of encoded) if (entry.inputs.some((digest) => digests.has(digest))) takeMade(entry);
    }
  }
  return { taken: { artifacts, results }, shared };
}

/** How many slices shards have. */
const sizesOf = (encoded: readonly { readonly parameters: unknown }[]): number[] => {
  const sizes = encoded.map(({ parameters }) => {
    const { runs = [] } = parameters as { runs?: readonly (readonly number[])[] };
    return runs.reduce((sum, [count = 0]) => sum + count, 0);
  });
  return [...new Set(sizes)].filter((size) => size > 0);
};

/** Results that a run's record says it has used for the patient. */
const usesOf = (value: unknown, isOurs: Known['isOurs']): string[] =>
  listIn(value, 'uses').flatMap((use) => {
    const { key, patient } = use as { key?: string; patient?: string };
    return key !== undefined && isOurs(patient) ? [key] : [];
  });

const partOf = (value: unknown, part: string): unknown[] => listIn((value as { split?: unknown } | null)?.split, part);

const idsIn = (spec: Document['value']): string[] =>
  listIn(spec?.dataset, 'patients').map((patient) => String((patient as { id?: unknown }).id));

function listIn(value: unknown, name: string): unknown[] {
  const member = typeof value === 'object' ? (value as Record<string, unknown> | null)?.[name] : undefined;
  return Array.isArray(member) ? member : [];
}
