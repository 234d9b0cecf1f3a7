import { SPLIT_PARTS, type Split, type SplitPart } from './split.ts';
import { leak } from './split-faults.ts';

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
      if (other !== undefined) throw leak(`patient ${patient} in ${other} and ${part}`);
      partOf.set(patient, part);
    }
  }
  const digestsOf = new Map(audited.map(({ patient, digests }) => [patient, digests]));
  const seen = new Map<string, string>();
  let blank = 0;
  let slices = 0;
  for (const [patient, part] of partOf) {
    const digests = digestsOf.get(patient);
    if (!digests) throw leak(`no slice hashes for patient ${patient}`);
    for (const digest of digests) {
      if (digest === null) {
        blank += 1;
        continue;
      }
      slices += 1;
      const twin = seen.get(digest);
      if (twin !== undefined && partOf.get(twin) !== part) {
        throw leak(`the same slice in ${twin} (${partOf.get(twin)}) and ${patient} (${part})`);
      }
      seen.set(digest, patient);
    }
  }
  return { patients: partOf.size, slices, blank };
}
