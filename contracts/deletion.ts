import { z } from 'zod';
import { PatientKey } from './artifact.ts';

/** `deletions/<time>-<hex>.json`: who had what deleted. One for each time that it was begun; none is ever deleted. */
export const Deletion = z.strictObject({
  /** When it began, ISO 8601. */
  time: z.iso.datetime(),
  /** As the client named itself. */
  by: z.string(),
  /** Runs with all that they had started. Where there is neither a run nor a patient, `gc` has collected. */
  runs: z.array(z.string()),
  patient: PatientKey.nullable(),
  state: z.enum(['begun', 'done']),
  objects: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Keys of the artifacts that are still to go: whoever goes on with it may find nothing else that names them. */
  pending: z.strictObject({
    /** Whoever refers to them: a patient's. */
    taken: z.array(z.string()),
    /** Unless somebody has come to refer to them. */
    released: z.array(z.string()),
  }),
});
export type Deletion = z.infer<typeof Deletion>;
