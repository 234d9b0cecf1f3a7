import type { ProofInstallation } from '../../cli/resume-proof/installation.ts';
import { type BenchRow, load } from '../row.ts';
import { secondsOf, startRun } from './run.ts';

/** A run, and the same with nothing changed: every stage finds its result in the store, and looks whether it is whole. */
export async function againRows(installation: ProofInstallation, say: (line: string) => void): Promise<BenchRow[]> {
  const bucket = installation.bucket('again');
  await Promise.all([installation.startWorker('io,cpu', bucket), installation.startWorker('gpu', bucket)]);
  say('durable/again: a run');
  const first = await secondsOf(await startRun('first', bucket, installation));
  say('durable/again: the same with nothing changed');
  const second = await secondsOf(await startRun('second', bucket, installation));
  return [
    {
      what: 'second run with nothing changed, of the first',
      value: (100 * second) / first,
      target: 1,
      sense: 'at most',
      unit: '%',
      note: `${second.toFixed(1)} s of ${first.toFixed(1)} s: about 40 activities, whatever the run is worth; ${load()}`,
    },
  ];
}
