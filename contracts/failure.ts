import { z } from 'zod';
import { ArtifactRef, PatientKey } from './artifact.ts';

/** What a failed activity says about itself, beside its code (the failure's type) and its sentence (the message). */
export const FailureDetails = z.object({
  code: z.string(),
  /** File (base name), config key or tensor. */
  at: z.string(),
  found: z.string(),
  expected: z.string(),
  fix: z.string(),
  /** The system's word for it, where there is one: `EACCES`. Absent in failures of older versions. */
  reason: z.string().optional(),
  /** Whose data it was, and the artifact `patient-files` by which someone with access to the store finds the file. */
  patient: PatientKey.optional(),
  files: ArtifactRef.optional(),
});
export type FailureDetails = z.infer<typeof FailureDetails>;

/** Failure types that are ours and not a library fault's code. Plain strings; scripts may rely on them. */
export const FAILURES = {
  /** A bug: the same input would fail again, so it is not retried. */
  internal: 'INTERNAL_ERROR',
  /** Another attempt of the same activity has taken over; this one may not commit. */
  fenced: 'ATTEMPT_FENCED_OUT',
  /** Network, store or worker trouble: retried. */
  infrastructure: 'INFRASTRUCTURE',
  /** The registry moved while a challenger was being measured. */
  championChanged: 'CHAMPION_CHANGED',
} as const;
