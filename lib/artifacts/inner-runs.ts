import type { RunLineage } from '../../contracts/lineage.ts';
import { stageOfKey } from './keys.ts';

/** A run that another workflow has started (a fold, a retraining's), in short. */
export interface InnerRun {
  readonly run: string;
  /** False where it keeps no account: it was cancelled, is at work, or has not begun. */
  readonly isKnown: boolean;
  readonly failed: NonNullable<RunLineage['failed']> | null;
  /** Stages that made something, and those that only reused, in the order of the flow. */
  readonly ran: readonly string[];
  readonly reused: readonly string[];
}

export function innerRun(run: string, lineage: RunLineage | null): InnerRun {
  const uses = lineage?.uses ?? [];
  const made = new Set(uses.filter(({ reused }) => !reused).map(({ key }) => stageOfKey(key)));
  const stages = [...new Set(uses.map(({ key }) => stageOfKey(key)))];
  return {
    ...{ run, isKnown: lineage !== null, failed: lineage?.failed ?? null },
    ran: stages.filter((stage) => made.has(stage)),
    reused: stages.filter((stage) => !made.has(stage)),
  };
}
