import type { Stage } from '../../contracts/queues.ts';
import { Curves } from '../../contracts/stages.ts';
import { Fault } from '../../lib/fault.ts';
import type { Platform } from '../dev/platform.ts';
import { requireTraining } from '../find-lineage.ts';
import { requireResult } from '../find-run.ts';
import { rerunInput } from '../rerun-input.ts';
import { type FollowingOptions, startAndFollow } from './run.ts';

export interface RerunCommandOptions extends FollowingOptions {
  readonly from?: Stage;
  readonly atEpoch?: string;
  readonly set?: readonly string[];
}

/** `samflow rerun RUN`: a new run of an ended one's data and settings, from a stage or from a checkpoint on. */
export function rerunCommand(run: string, { from, atEpoch, set, ...how }: RerunCommandOptions): Promise<number> {
  const epoch = atEpoch === undefined ? undefined : parseEpoch(atEpoch);
  return startAndFollow(how, async ({ platform }) => {
    const training = await requireTraining(run, platform);
    if (epoch !== undefined) await checkEpoch(training.run, epoch, platform);
    return rerunInput(training.run, training.lineage, { from, atEpoch: epoch, set });
  });
}

function parseEpoch(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  const details = { found: `\`${text}\``, expected: 'the number of an epoch, from 1', fix: 'Write e.g. --at-epoch 7' };
  throw new Fault('USAGE', { at: '--at-epoch', ...details });
}

async function checkEpoch(run: string, epoch: number, platform: Platform): Promise<void> {
  const { curves } = await requireResult({ run }, platform);
  const { epochs } = await platform.artifacts.getJson(curves, Curves);
  if (epoch <= epochs.length) return;
  throw new Fault('USAGE', {
    at: `--at-epoch ${epoch}`,
    found: `a training of ${epochs.length} epochs`,
    expected: 'one of them',
    fix: `Give at most ${epochs.length}`,
  });
}
