import { z } from 'zod';
import { MemoUse } from './memo.ts';
import { PipelineInput } from './pipeline.ts';

/** What a run was started with, and every result that it used, in the order of the stages. */
export const RunLineage = z.strictObject({
  input: PipelineInput,
  uses: z.array(MemoUse).readonly(),
  /** The runs inside, by id: a cross-validation's folds, a retraining's training. */
  runs: z.array(z.string()).readonly().optional(),
  /** Of one that failed: in which stage, where it was in one, and the failure's code. */
  failed: z.strictObject({ stage: z.string().nullable(), code: z.string() }).optional(),
  /** So many more results were used than there was room for. */
  omitted: z.int().positive().optional(),
});
export type RunLineage = z.infer<typeof RunLineage>;

/** Of a run that has ended well. */
export const lineageKey = (run: string): string => `runs/${run}/lineage.json`;
/** Of its last attempt that failed: beside the other, for a run may fail when it is started again. */
export const failureKey = (run: string): string => `runs/${run}/failure.json`;
