import { z } from 'zod';
import { PatientKey } from './artifact.ts';
import { STAGES } from './queues.ts';

/** Key of a stage's result in the store. */
export const MemoKey = z.string().regex(/^memo\/[a-z0-9-]+\/[0-9a-f]{64}\.json$/);
export type MemoKey = z.infer<typeof MemoKey>;

/** Why a stage worked: nothing was in the store, what was there is no longer whole, or the run was told to work again. */
export const MemoCause = z.enum(['new', 'lost', 'forced']);
export type MemoCause = z.infer<typeof MemoCause>;

/** One result that a run has used, and whether it had to be made. */
export const MemoUse = z.strictObject({
  key: MemoKey,
  reused: z.boolean(),
  cause: MemoCause.optional(),
  /** Of stages that work patient by patient. */
  patient: PatientKey.optional(),
});
export type MemoUse = z.infer<typeof MemoUse>;

/** A run that works again from a stage on, whatever the store holds. */
export const Fresh = z.strictObject({
  from: z.enum(STAGES),
  /** Random, made once where the run is started: what was made under it is this run's own and counts. */
  token: z.uuid(),
});
export type Fresh = z.infer<typeof Fresh>;
