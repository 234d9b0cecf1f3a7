import { type ArtifactRef, PatientKey } from '../../contracts/artifact.ts';
import { Live } from './live.ts';
import { artifactRefsIn } from './manifest.ts';
import { inParallel } from './manifests.ts';
import { type Json, readJson } from './read-json.ts';
import type { ListedObject, ObjectStore } from './store.ts';
import type { StoreContent } from './store-content.ts';

/** An artifact that names others, or patients. */
export interface Document {
  readonly key: string;
  readonly kind: string;
  readonly refs: readonly ArtifactRef[];
  /** Of the kinds in `KEPT`; null of all others. */
  readonly value: Json;
}

/** Of whom an artifact is, by pseudonym. */
export interface Owned {
  readonly kind: string;
  readonly who: ReadonlySet<string>;
}

/** What is read once more after all documents are known. */
const KEPT: ReadonlySet<string> = new Set(['patient-files', 'dataset-spec', 'model-package']);
/** How artifacts begin that nothing may name but Temporal's histories: members of canonical JSON are sorted. */
const BEGINNINGS = { 'patient-files': '{"image":[{"', 'dataset-spec': '{"dataset":{' } as const;
const BEGINNING_BYTES = 12;

/**
 * Reads every JSON artifact of a store that others lead to, and those few that nobody need lead to; says too whose artifacts are
 * whose: what stands inside an object with a `patient` is that patient's.
 */
export async function readDocuments(
  store: ObjectStore,
  content: StoreContent,
  roots: readonly unknown[],
): Promise<{ documents: readonly Document[]; owners: ReadonlyMap<string, Owned> }> {
  const documents: Document[] = [];
  const owners = new Map<string, Owned & { who: Set<string> }>();
  const note = ({ key, kind }: { key: string; kind: string }, value: unknown): void => {
    documents.push({ key, kind, refs: artifactRefsIn(value), value: KEPT.has(kind) ? (value as Json) : null });
    noteOwners(value, null, owners);
  };
  const reached = new Live(store, { onDocument: note });
  for (const value of [
    ...roots,
    ...content.runs.flatMap(({ values }) => values),
    ...content.others.map(({ value }) => value),
    ...content.manifests.map(({ manifest }) => manifest),
    ...content.chains.map(({ steps }) => steps),
  ]) {
    noteOwners(value, null, owners);
    await reached.add(value);
  }
  const strays = content.blobs.filter(({ key, bytes }) => !reached.hasKey(key) && bytes > BEGINNING_BYTES);
  const kinds = await inParallel(strays, (object) => kindOf(object, store));
  for (const [at, kind] of kinds.entries()) {
    if (kind === null) continue;
    const { key } = strays[at]!;
    const value = await readJson(store, key);
    note({ key, kind }, value);
    await reached.add(value);
  }
  return { documents, owners };
}

async function kindOf({ key }: ListedObject, store: ObjectStore): Promise<string | null> {
  const object = await store.get(key, { from: 0, to: BEGINNING_BYTES });
  const text = object && Buffer.from(object.bytes).toString('latin1');
  return Object.entries(BEGINNINGS).find(([, beginning]) => beginning === text)?.[0] ?? null;
}

function noteOwners(value: unknown, patient: string | null, owners: Map<string, Owned & { who: Set<string> }>): void {
  if (typeof value !== 'object' || value === null) return;
  const named = PatientKey.safeParse((value as { patient?: unknown }).patient);
  const whose = named.success ? named.data : patient;
  const [ref] = whose === null ? [] : ownRef(value);
  if (ref) {
    const owned = owners.get(ref.key) ?? { kind: ref.kind, who: new Set() };
    owners.set(ref.key, owned);
    owned.who.add(whose!);
  } else for (const member of Object.values(value)) noteOwners(member, whose, owners);
}

/** The reference that a value itself is. */
const ownRef = (value: object): ArtifactRef[] => ('sha256' in value ? artifactRefsIn(value) : []);
