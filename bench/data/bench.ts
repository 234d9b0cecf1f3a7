import type { EngineBench } from '../engine/bench.ts';
import type { BenchRow } from '../row.ts';
import type { Run } from '../side-by-side.ts';

/** What the rows share. */
export interface DataBench extends Pick<EngineBench, 'say' | 'otherWork'> {
  /** A row's work in the reference process, on these files. Fails where there is none. */
  readonly reference: (row: string, args: object) => Run;
}

export interface DataRow {
  /** As in `npm run bench -- data/NAME`. */
  readonly name: string;
  readonly measure: (bench: DataBench) => Promise<BenchRow>;
}
