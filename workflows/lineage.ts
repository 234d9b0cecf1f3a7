import type { ArtifactRef } from '../contracts/artifact.ts';
import type { MemoUse } from '../contracts/memo.ts';
import type { ReportInput } from '../contracts/stages.ts';

export type Outcome = { readonly [K in keyof MemoUse]?: MemoUse[K] | undefined } & { readonly seconds?: number };

/** What a run made, in the order it was made: the report shows it. */
export interface Lineage {
  readonly entries: ReportInput['lineage'];
  /** The stages' results that it used: by them it can be explained. */
  readonly uses: readonly MemoUse[];
  /** What one piece of work made; its seconds stand at the first artifact, so that sums are true. */
  add(stage: string, artifacts: readonly ArtifactRef[], outcome: Outcome): void;
  /** A result, or those of a child workflow, that the report does not show. */
  use(...outcomes: readonly Outcome[]): void;
}

export function openLineage(): Lineage {
  const entries: ReportInput['lineage'] = [];
  const uses: MemoUse[] = [];
  const use = ({ key, reused = false, cause, patient }: Outcome): void => {
    // Absent in results of older versions.
    if (key) uses.push({ key, reused, ...(cause && { cause }), ...(patient && { patient }) });
  };
  return {
    entries,
    uses,
    use: (...outcomes) => outcomes.forEach(use),
    add: (stage, artifacts, outcome) => {
      use(outcome);
      const { seconds = 0 } = outcome;
      for (const [at, artifact] of artifacts.entries()) {
        entries.push({ stage, artifact, seconds: at === 0 ? seconds : 0 });
      }
    },
  };
}
