import { type AuditedPatient, leakAudit } from '../dataset/leak-audit.ts';
import { type DatasetSetting, type PairedPatient, pairPatients } from '../dataset/pairing.ts';
import { boxesOf, type PromptsSetting } from '../dataset/prompts.ts';
import { readPair } from '../dataset/read-pair.ts';
import { type SliceStack, type SlicesSetting, sliceDigests, slicesOf, sliceVolume } from '../dataset/slices.ts';
import type { SourceListing } from '../dataset/sources/source.ts';
import { type SplitCandidate, type SplitPart, type SplitSetting, splitPatients } from '../dataset/split.ts';

/** One patient, as the stages up to `split` will have it. */
export interface CountedPatient {
  /** The configuration's or the pattern's, not the pseudonym. */
  readonly id: string;
  /** Slices that hold enough of the target: these are encoded. */
  readonly slices: number;
  /** Slices of the whole volume along the axis: at most these are encoded for a mask without help. */
  readonly totalSlices: number;
  /** Size of a slice in pixels. */
  readonly height: number;
  readonly width: number;
  /** Boxes on each of the slices. */
  readonly boxes: readonly number[];
  /** Sizes of what the stages store: the files, the volume, the slices. */
  readonly filesBytes: number;
  readonly volumeBytes: number;
  readonly slicesBytes: number;
}

export type CountedParts = Readonly<Record<SplitPart, readonly CountedPatient[]>>;

export interface DataSettings {
  readonly dataset: DatasetSetting;
  readonly split: SplitSetting;
  readonly slices: SlicesSetting;
  readonly prompts: PromptsSetting;
}

/**
 * Reads every scan and mask and does with them what `download`, `convert`, `slice` and `split` do, without keeping any: the
 * split is the one that a run will make. Faults: theirs.
 */
export async function countData(
  listing: SourceListing,
  { dataset, split, slices, prompts }: DataSettings,
): Promise<CountedParts> {
  const { everyNth, negatives } = slices;
  const settings = {
    test: { ...slices, everyNth: 1, negatives: 0 },
    val: { ...slices, everyNth: 1 },
    train: slices,
  } satisfies Record<SplitPart, SlicesSetting>;
  const patients = new Map<string, Record<SplitPart, CountedPatient>>();
  const candidates: SplitCandidate[] = [];
  const audited: AuditedPatient[] = [];
  for (const pair of pairPatients(listing.files, dataset)) {
    const { volume, bytes: volumeBytes, digest, labels } = await readPair(listing, pair);
    const whole = sliceVolume(volume, settings.test);
    const facts = { id: pair.id, filesBytes: bytesOf(listing, pair), volumeBytes };
    const count = (stacks: readonly SliceStack[]) => ({ ...facts, ...countSlices(stacks, prompts) });
    const test = count(whole);
    patients.set(pair.id, {
      test,
      val: negatives > 0 ? count(sliceVolume(volume, settings.val)) : test,
      train: negatives > 0 || everyNth > 1 ? count(sliceVolume(volume, settings.train)) : test,
    });
    candidates.push({ patient: pair.id, digest, labels, split: pair.split });
    audited.push({ patient: pair.id, digests: sliceDigests(whole) });
  }
  // Of a cross-validation the first fold: the others differ by who is tested.
  const parts = splitPatients(candidates, split.folds === undefined ? split : { ...split, fold: 0 });
  leakAudit(parts, audited);
  const pick = (part: SplitPart) => parts[part].map((id) => patients.get(id)![part]);
  return { train: pick('train'), val: pick('val'), test: pick('test') };
}

function countSlices(stacks: readonly SliceStack[], prompts: PromptsSetting) {
  const slices = slicesOf(stacks);
  const sum = (of: (stack: SliceStack) => number) => stacks.reduce((total, stack) => total + of(stack), 0);
  return {
    slices: slices.length,
    totalSlices: sum(({ total }) => total),
    // Planes differ in size; what they cost is taken from the largest.
    height: Math.max(...stacks.map(({ height }) => height)),
    width: Math.max(...stacks.map(({ width }) => width)),
    boxes: slices.map(({ mask, stack: { height, width } }) => boxesOf(mask, height, width, prompts).length),
    slicesBytes: sum(({ pixels, masks }) => pixels.length + (masks?.length ?? 0)),
  };
}

function bytesOf({ files }: SourceListing, { image, mask }: PairedPatient): number {
  const used = new Set([...image, mask]);
  return files.reduce((sum, { path, bytes }) => sum + (used.has(path) ? bytes : 0), 0);
}
