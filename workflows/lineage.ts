import type { ArtifactRef } from '../contracts/artifact.ts';
import type { ReportInput } from '../contracts/stages.ts';

/** What a run made, in the order it was made: the report shows it. */
export interface Lineage {
  readonly entries: ReportInput['lineage'];
  /** What one piece of work made; its seconds stand at the first artifact, so that sums are true. */
  add(stage: string, artifacts: readonly ArtifactRef[], outcome: { seconds: number }): void;
}

export function openLineage(): Lineage {
  const entries: ReportInput['lineage'] = [];
  return {
    entries,
    add: (stage, artifacts, { seconds }) => {
      for (const [at, artifact] of artifacts.entries()) {
        entries.push({ stage, artifact, seconds: at === 0 ? seconds : 0 });
      }
    },
  };
}
