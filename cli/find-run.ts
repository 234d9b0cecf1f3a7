import type { WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { type CrossValidationResult, RunResult } from '../contracts/cross-validation.ts';
import type { PipelineResult } from '../contracts/pipeline.ts';
import { Champion } from '../contracts/stages.ts';
import { championKey } from '../lib/artifacts/keys.ts';
import { Fault } from '../lib/fault.ts';
import type { Platform } from './dev/platform.ts';
import { requireSignature } from './signing.ts';

/** What a finished run gave: from the store, which remembers it longer than Temporal does. Null where it has not ended well. */
export async function findResult(run: string, { artifacts }: Platform): Promise<RunResult | null> {
  return (await artifacts.readPointer(`runs/${run}/result.json`, RunResult))?.value ?? null;
}

/**
 * The result of a run, or of the run that made a model's champion.
 * @throws Fault RUN_UNKNOWN, RUN_UNFINISHED, RUN_HAS_FOLDS (a cross-validation has a model for each fold), MODEL_UNKNOWN
 */
export async function requireResult(
  { run, model }: { readonly run?: string | undefined; readonly model?: string | undefined },
  platform: Platform,
): Promise<PipelineResult> {
  const champion = run === undefined ? await requireChampion(model ?? '', platform) : null;
  const id = run ?? champion!.run;
  const result = await findResult(id, platform);
  if (result && 'folds' in result) throw hasFolds(result);
  // The record names the model by its hash; the run's own record must say the same.
  if (result && champion && champion.package.sha256 !== result.package.sha256) throw otherModel(model ?? '');
  if (result) return result;
  const known = await isKnown(id, platform);
  throw known
    ? new Fault('RUN_UNFINISHED', {
        at: id,
        found: 'a run that has not ended well',
        expected: 'a finished run',
        fix: `Look at it with \`samflow status ${id}\``,
      })
    : unknownRun(id);
}

async function requireChampion(model: string, { artifacts }: Platform): Promise<Champion> {
  const pointer = await artifacts.readPointer(championKey(model), Champion);
  if (pointer) {
    requireSignature(model, pointer.value, process.env);
    return pointer.value;
  }
  throw new Fault('MODEL_UNKNOWN', {
    at: '--model',
    found: `no champion called \`${model}\``,
    expected: 'the name of a model that `samflow schedule` keeps',
    fix: 'Name a run with --run instead, or train one by `samflow schedule trigger`',
  });
}

const otherModel = (model: string): Fault =>
  new Fault('PROMOTION_ALTERED', {
    at: model,
    found: 'a run that has made another model than the champion’s record names',
    expected: 'the same',
    fix: 'Find out who may write `models/` and `runs/` in the store',
  });

const hasFolds = ({ run, folds }: CrossValidationResult): Fault =>
  new Fault('RUN_HAS_FOLDS', {
    at: run,
    found: `a cross-validation with ${folds.length} models`,
    expected: 'a run with one',
    fix: `Name the run of a fold, e.g. ${folds[0]!.run}, or train one model without \`split.folds\``,
  });

export const unknownRun = (run: string): Fault =>
  new Fault('RUN_UNKNOWN', {
    at: run,
    found: 'no such run',
    expected: 'the id that `samflow run` has printed',
    fix: 'List the runs with `samflow status`',
  });

/** A run that is at work, and what Temporal knows of it. @throws Fault RUN_UNKNOWN, RUN_ENDED */
export async function requireOpen(run: string, platform: Platform): Promise<WorkflowExecutionDescription> {
  const workflow = await findWorkflow(run, platform);
  if (!workflow) throw (await findResult(run, platform)) ? endedRun(run, 'an ended run') : unknownRun(run);
  const { name } = workflow.status;
  if (name !== 'RUNNING') throw endedRun(run, `a run that is ${name.toLowerCase().replaceAll('_', ' ')}`);
  return workflow;
}

export const endedRun = (run: string, found: string): Fault =>
  new Fault('RUN_ENDED', {
    ...{ at: run, found, expected: 'a run at work' },
    fix: 'Start it again: `samflow run` with the same configuration goes on where it stopped',
  });

export const isKnown = async (id: string, platform: Platform): Promise<boolean> =>
  (await findWorkflow(id, platform)) !== null;

/** What Temporal knows of a workflow; null where it knows, or remembers, none of this id. */
export async function findWorkflow(id: string, { client }: Platform): Promise<WorkflowExecutionDescription | null> {
  try {
    return await client.workflow.getHandle(id).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
