import { posix } from 'node:path';
import { type Fault, isFault } from '../fault.ts';
import { checkFileSize } from '../volume/limits.ts';
import { type LabelSetting, labelGroupsOf } from './label-groups.ts';
import { certainLayout, type FoundLayout, type FoundPatient, findLayouts } from './layouts.ts';
import { leftOverOf } from './left-over.ts';
import { type DatasetSetting, pairPatients } from './pairing.ts';
import { readPair } from './read-pair.ts';
import { foldPatients, type Split, type SplitCandidate, type SplitSetting, splitPatients } from './split.ts';

/** A folder or archive as `lib/dataset/sources` opens it. */
export interface Listing {
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  read(path: string): Promise<Uint8Array>;
}

export interface InspectedPatient extends FoundPatient {
  /** What reading the patient gave; null where only names were looked at. */
  readonly volume: {
    readonly shape: readonly number[];
    readonly axisCodes: string;
    readonly spacingMm: readonly number[];
    readonly foregroundVoxels: number;
    readonly repairs: readonly string[];
  } | null;
  /** Why this patient cannot be used as it is. */
  readonly fault: Fault | null;
}

export interface DatasetFacts {
  /** Name of the layout, or null where none fits; `configured` where the caller said which files belong together. */
  readonly layout: string | null;
  /** Why a run would not take this layout by itself; null where it would, and where the caller said what is meant. */
  readonly doubt: string | null;
  /** Other layouts that may be meant, the more likely first. */
  readonly others: {
    readonly layout: string;
    readonly pattern: DatasetSetting['pattern'] | null;
    readonly pairs: number;
  }[];
  /** What to write under `dataset` in a run configuration, without `target`. */
  readonly dataset: Pick<DatasetSetting, 'pattern' | 'patients'> | null;
  readonly patients: InspectedPatient[];
  /** Files that belong to no patient, and why. */
  readonly leftOver: { readonly path: string; readonly why: string }[];
  /** Which patients (by id) would train, validate and test; null where not read, with folds, or with the reason in `splitFault`. */
  readonly split: Split | null;
  /** In a cross-validation: whom (by id) each fold tests; null otherwise. */
  readonly folds: string[][] | null;
  readonly splitFault: Fault | null;
}

export interface InspectOptions {
  /** Given: these pairs, faults and all. Not given: the layout is guessed. */
  readonly dataset?: DatasetSetting | undefined;
  /** Label values that count where `dataset` names none; default: every value but zero. */
  readonly labels?: LabelSetting | undefined;
  readonly split: SplitSetting;
  /** Read every scan and mask: finds broken files and gives the very split that a run would make. */
  readonly deep: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What a data set holds, before anything is trained on it: the patients, the files that fit nowhere and why, and the split.
 * Faults of single patients are part of the answer, not thrown; those of `pairPatients` with a given `dataset` are thrown.
 */
export async function inspectDataset(listing: Listing, options: InspectOptions): Promise<DatasetFacts> {
  const paths = listing.files.map(({ path }) => path).sort();
  const { found, leftOver, ...read } = pairsOf(listing, paths, options);
  const patients: InspectedPatient[] = [];
  const candidates: SplitCandidate[] = [];
  for (const pair of found) {
    options.signal?.throwIfAborted();
    const { candidate, ...patient } = options.deep ? await inspectPair(listing, pair, options) : notRead(pair);
    patients.push(patient);
    if (candidate) candidates.push({ ...candidate, patient: pair.id, split: pair.split ?? null });
  }
  return {
    ...read,
    patients,
    leftOver: leftOver.map(({ path, why }) => ({ path, why })),
    ...(options.deep ? planSplit(candidates, options.split) : { split: null, folds: null, splitFault: null }),
  };
}

function pairsOf(listing: Listing, paths: readonly string[], { dataset }: InspectOptions) {
  if (dataset?.patients || dataset?.pattern) {
    const found = pairPatients(listing.files, dataset);
    const leftOver = leftOverOf(paths, { pattern: dataset.pattern ?? null, patients: found }, dataset.target);
    return { layout: 'configured', doubt: null, others: [], dataset, found, leftOver };
  }
  const layouts = findLayouts(paths, dataset?.target);
  const certain = certainLayout(paths, layouts);
  const [layout, ...others] = layouts;
  return {
    layout: layout?.name ?? null,
    doubt: 'doubt' in certain ? certain.doubt : null,
    others: others.map(({ name, pattern, patients }) => ({ layout: name, pattern, pairs: patients.length })),
    dataset: layout ? settingOf(layout) : null,
    found: (layout?.patients ?? [])
      .map((patient) => ({ ...patient, ...(dataset?.labels && { labels: labelGroupsOf(dataset.labels) }) }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    leftOver: layout?.leftOver ?? leftOverOf(paths, { pattern: null, patients: [] }),
  };
}

/** A DICOM patient is written down by folder, not slice by slice. */
function settingOf({ pattern, patients }: FoundLayout): Pick<DatasetSetting, 'pattern' | 'patients'> {
  if (pattern) return { pattern };
  return { patients: patients.map(({ id, image, mask }) => ({ id, image: posix.dirname(image[0]!), mask })) };
}

const notRead = (pair: FoundPatient) => ({ ...pair, volume: null, fault: null, candidate: null });

async function inspectPair(listing: Listing, pair: FoundPatient, { labels }: InspectOptions) {
  try {
    refuseLarge(listing, pair);
    const wanted = pair.labels ?? labelGroupsOf(labels);
    const { volume, digest, labels: present } = await readPair(listing, { ...pair, labels: wanted });
    return {
      ...pair,
      volume: {
        shape: volume.native.shape,
        axisCodes: volume.native.axisCodes,
        spacingMm: volume.spacingMm,
        foregroundVoxels: volume.mask!.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0),
        repairs: volume.repairs,
      },
      fault: null,
      candidate: { digest, labels: present },
    };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { ...pair, volume: null, fault: error, candidate: null };
  }
}

/** By the listing: before anything of such a file is read. */
function refuseLarge({ files }: Listing, { image, mask }: FoundPatient): void {
  const wanted = new Set([...image, mask]);
  for (const { path, bytes } of files) if (wanted.has(path)) checkFileSize(bytes, posix.basename(path));
}

function planSplit(candidates: readonly SplitCandidate[], setting: SplitSetting) {
  try {
    if (setting.folds !== undefined) return { split: null, folds: foldPatients(candidates, setting), splitFault: null };
    return { split: splitPatients(candidates, setting), folds: null, splitFault: null };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { split: null, folds: null, splitFault: error };
  }
}
