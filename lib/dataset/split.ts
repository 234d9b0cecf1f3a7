import { createHash } from 'node:crypto';
import { Fault } from '../fault.ts';

export const SPLIT_PARTS = ['train', 'val', 'test'] as const;
export type SplitPart = (typeof SPLIT_PARTS)[number];
export type Split = Record<SplitPart, string[]>;

export interface SplitCandidate {
  readonly patient: string;
  /**
   * `voxelDigest` of the patient's scan; decides the order. So neither the secret behind the keys, nor the mask, nor the form in
   * which any version of samflow stores a volume moves a patient.
   */
  readonly digest: string;
  /** The part that the configuration names, or null. All patients name one, or none does. */
  readonly split: SplitPart | null;
}

export interface SplitSetting {
  readonly seed: number;
  /** Patients held out for validation, and for the test; the rest trains. */
  readonly val: number;
  readonly test: number;
}

/**
 * Divides patients, never slices: neighbouring slices of one patient are nearly equal, and a score on them would measure
 * memory. Patients are ranked by SHA-256 of seed and data digest; the first `test` are tested on, the next `val` validate.
 * A patient's rank depends on nobody else's, so one more patient shifts the split as little as can be.
 *
 * Faults: SPLIT_TOO_FEW_PATIENTS, SPLIT_MIXED (some patients name their part, some do not), SPLIT_LEAK (a patient twice).
 */
export function splitPatients(candidates: readonly SplitCandidate[], setting: SplitSetting): Split {
  refuseRepeated(candidates);
  const ranked = [...candidates].sort((a, b) => compare(rank(setting.seed, a), rank(setting.seed, b)));
  const named = candidates.filter(({ split }) => split !== null).length;
  if (named === 0) return splitByRank(ranked, setting);
  if (named < candidates.length) {
    throw new Fault('SPLIT_MIXED', {
      at: 'dataset.patients',
      found: `${named} of ${candidates.length} patients with a \`split\``,
      expected: 'all of them or none',
      fix: 'Give every patient a `split`, or none',
    });
  }
  return splitByName(ranked);
}

const rank = (seed: number, { digest }: SplitCandidate) =>
  createHash('sha256').update(`${seed}:${digest}`).digest('hex');

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function splitByRank(ranked: readonly SplitCandidate[], { val, test }: SplitSetting): Split {
  if (ranked.length < val + test + 1) {
    throw new Fault('SPLIT_TOO_FEW_PATIENTS', {
      at: 'split',
      found: `${ranked.length} ${ranked.length === 1 ? 'patient' : 'patients'}`,
      expected: `at least ${val + test + 1}: ${test} for the test, ${val} for validation and one to train on`,
      fix: 'Add patients: a score on a patient that the model has seen means nothing',
    });
  }
  const keys = ranked.map(({ patient }) => patient);
  return { test: keys.slice(0, test), val: keys.slice(test, test + val), train: keys.slice(test + val) };
}

function splitByName(ranked: readonly SplitCandidate[]): Split {
  const part = (name: SplitPart) => ranked.filter(({ split }) => split === name).map(({ patient }) => patient);
  const split = { train: part('train'), val: part('val'), test: part('test') };
  for (const name of SPLIT_PARTS) {
    if (split[name].length > 0) continue;
    throw new Fault('SPLIT_TOO_FEW_PATIENTS', {
      at: 'dataset.patients',
      found: `no patient with \`split: ${name}\``,
      expected: 'at least one each of train, val and test',
      fix: `Move a patient to ${name}`,
    });
  }
  return split;
}

function refuseRepeated(candidates: readonly SplitCandidate[]): void {
  const keys = new Set<string>();
  const digests = new Map<string, string>();
  for (const { patient, digest } of candidates) {
    if (keys.has(patient)) throw leak('split', `patient ${patient} twice`);
    keys.add(patient);
    const twin = digests.get(digest);
    if (twin !== undefined) throw leak('split', `the same data under ${twin} and ${patient}`);
    digests.set(digest, patient);
  }
}

const leak = (at: string, found: string) =>
  new Fault('SPLIT_LEAK', {
    at,
    found,
    expected: 'each patient once, in one part only',
    fix: 'Remove the duplicate, or give both scans of one person the same patient id',
  });

export interface AuditedPatient {
  readonly patient: string;
  /** From `sliceDigests`. */
  readonly digests: readonly (string | null)[];
}

/** What the audit looked at; it stands in the split's record. */
export interface LeakAudit {
  readonly patients: number;
  /** Slices compared; blank ones (all pixels equal) are left out. */
  readonly slices: number;
  readonly blank: number;
}

/**
 * Looks for anything that stands in two parts of a split: patients by key, slices by hash of their pixels. It fails closed:
 * a patient of the split without digests is a fault too. Two scans of one person under two ids can only be found where
 * slices are equal to the bit; ids are the user's part.
 *
 * Fault SPLIT_LEAK.
 */
export function leakAudit(split: Split, audited: readonly AuditedPatient[]): LeakAudit {
  const partOf = new Map<string, SplitPart>();
  for (const part of SPLIT_PARTS) {
    for (const patient of split[part]) {
      const other = partOf.get(patient);
      if (other !== undefined) throw leak('split', `patient ${patient} in ${other} and ${part}`);
      partOf.set(patient, part);
    }
  }
  const digestsOf = new Map(audited.map(({ patient, digests }) => [patient, digests]));
  const seen = new Map<string, string>();
  let blank = 0;
  let slices = 0;
  for (const [patient, part] of partOf) {
    const digests = digestsOf.get(patient);
    if (!digests) throw leak('split', `no slice hashes for patient ${patient}`);
    for (const digest of digests) {
      if (digest === null) {
        blank += 1;
        continue;
      }
      slices += 1;
      const twin = seen.get(digest);
      if (twin !== undefined && partOf.get(twin) !== part) {
        throw leak('split', `the same slice in ${twin} (${partOf.get(twin)}) and ${patient} (${part})`);
      }
      seen.set(digest, patient);
    }
  }
  return { patients: partOf.size, slices, blank };
}
