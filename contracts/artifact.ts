import { z } from 'zod';

/** A reference to immutable bytes in the store. References travel through Temporal; bytes and patient data do not. */
export const ArtifactRef = z.strictObject({
  /** What the bytes are, e.g. `volume`, `slices`, `embeddings`, `weights`, `report`. */
  kind: z.string().regex(/^[a-z][a-z0-9-]*$/),
  /** `cas/sha256/<hex>` */
  key: z.string().regex(/^cas\/sha256\/[0-9a-f]{64}$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().nonnegative(),
});
export type ArtifactRef = z.infer<typeof ArtifactRef>;

/** A patient's pseudonym: `p-` and 12 hex digits of a keyed hash (HMAC-SHA-256) of the id; see lib/dataset/patient-key.ts. */
export const PatientKey = z.string().regex(/^p-[0-9a-f]{12}$/);
export type PatientKey = z.infer<typeof PatientKey>;
