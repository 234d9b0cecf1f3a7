import { z } from 'zod';
import { MemoUse } from './memo.ts';
import { PipelineInput } from './pipeline.ts';

/** `runs/<run>/lineage.json`: what a finished run was started with, and every result that it used, in the order of the stages. */
export const RunLineage = z.strictObject({ input: PipelineInput, uses: z.array(MemoUse).readonly() });
export type RunLineage = z.infer<typeof RunLineage>;

export const lineageKey = (run: string): string => `runs/${run}/lineage.json`;
