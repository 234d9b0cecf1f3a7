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
