import { createHash } from 'node:crypto';
import { BRANCH_SETTINGS, type Branch } from '../contracts/branch.ts';
import type { RunLineage } from '../contracts/lineage.ts';
import { type PipelineInput, RunSettings } from '../contracts/pipeline.ts';
import type { Stage } from '../contracts/queues.ts';
import { canonicalJson } from '../lib/artifacts/canonical-json.ts';
import { differencesOf } from '../lib/artifacts/differences.ts';
import { stageOfKey } from '../lib/artifacts/keys.ts';
import { Fault } from '../lib/fault.ts';
import { explainIssue } from './config/explain.ts';
import { assign } from './config/set-option.ts';
import { freshFrom } from './start-run.ts';

export interface RerunOptions {
  readonly from?: Stage | undefined;
  readonly atEpoch?: number | undefined;
  readonly set?: readonly string[] | undefined;
}

/**
 * A new run of a recorded run's data and settings, but for what `--set` changes. Its id follows from what it is, so the same
 * command resumes it. @throws Fault CONFIG, USAGE, BRANCH_DIFFERS
 */
export function rerunInput(
  run: string,
  lineage: RunLineage,
  { from, atEpoch, set = [] }: RerunOptions,
): { readonly id: string; readonly input: PipelineInput } {
  const { fresh: _, extendedTo: __, branch: before, ...recorded } = lineage.input;
  const settings = changed(recorded.settings, set);
  const branch = atEpoch === undefined ? before : branchOf(lineage, atEpoch);
  if (atEpoch !== undefined) checkBranch(recorded.settings, settings, atEpoch, from);
  // A branch is a training of its own: it is not there before, or may be reused.
  const fresh = atEpoch === undefined ? freshFrom(from) : undefined;
  const what = canonicalJson({ run, settings, branch, from: fresh?.from });
  const digest = createHash('sha256').update(what).digest('hex').slice(0, 12);
  return {
    id: `${recorded.name}-${digest}`,
    input: { ...recorded, settings, ...(fresh && { fresh }), ...(branch && { branch }) },
  };
}

function changed(settings: RunSettings, set: readonly string[]): RunSettings {
  const value: Record<string, unknown> = structuredClone(settings);
  for (const setting of set) assign(value, setting);
  const parsed = RunSettings.safeParse(value);
  if (parsed.success) return parsed.data;
  throw explainIssue(parsed.error.issues[0]!, value, RunSettings);
}

function branchOf({ uses }: RunLineage, epoch: number): Branch {
  const of = uses.find(({ key }) => stageOfKey(key) === 'fine-tune')?.key;
  if (of === undefined) throw new TypeError('a finished run without a training');
  return { of, epoch };
}

function checkBranch(before: RunSettings, after: RunSettings, epoch: number, from: Stage | undefined): void {
  if (from !== undefined && from !== 'fine-tune') {
    const details = { found: `--from ${from}`, expected: '--from fine-tune', fix: 'A branch begins in the training' };
    throw new Fault('USAGE', { at: '--at-epoch', ...details });
  }
  const allowed = BRANCH_SETTINGS.map((name) => `training.${name}`);
  const isFree = ({ path }: { path: string }): boolean => allowed.includes(path) || path.startsWith('evaluation.');
  const fixed = differencesOf(before, after).find((difference) => !isFree(difference));
  if (fixed) {
    throw new Fault('BRANCH_DIFFERS', {
      at: `--set ${fixed.path}`,
      found: 'what the checkpoint was trained with',
      expected: `one of ${allowed.join(', ')}, or a key of evaluation`,
      fix: 'Leave --at-epoch out: train from the beginning',
    });
  }
  if (after.training.epochs > epoch) return;
  throw new Fault('USAGE', {
    at: `--at-epoch ${epoch}`,
    found: `training.epochs ${after.training.epochs}`,
    expected: 'an epoch before the last',
    fix: `Set training.epochs to more than ${epoch}, or choose an earlier epoch`,
  });
}
