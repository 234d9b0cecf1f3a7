import { randomUUID } from 'node:crypto';
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import type { CrossValidationInput } from '../contracts/cross-validation.ts';
import type { Fresh } from '../contracts/memo.ts';
import { WORKFLOWS } from '../contracts/messages.ts';
import type { PipelineInput } from '../contracts/pipeline.ts';
import { priorityOf, type RunPriority } from '../contracts/priority.ts';
import { QUEUES, type Stage } from '../contracts/queues.ts';
import { structuresOf } from '../lib/dataset/label-groups.ts';
import { Fault } from '../lib/fault.ts';
import type { crossValidateWorkflow } from '../workflows/cross-validate.ts';
import type { pipelineWorkflow } from '../workflows/pipeline.ts';
import type { PreparedRun } from './config/prepare.ts';
import type { Platform } from './dev/platform.ts';
import { findWorkflow } from './find-run.ts';

/** The workflow's input: what names patients goes into the store, and only its reference travels. */
export async function pipelineInput(
  { config, spec, settings }: PreparedRun,
  { artifacts }: Pick<Platform, 'artifacts'>,
): Promise<PipelineInput> {
  const { target, labels } = config.dataset;
  const ref = await artifacts.putJson('dataset-spec', spec);
  return { name: config.name, target, structures: structuresOf(target, labels), spec: ref, settings };
}

/** For a run that works again from a stage on; the token is made here, once. */
export const freshFrom = (from: Stage | undefined): Fresh | undefined => from && { from, token: randomUUID() };

/**
 * Starts the pipeline or, where there are folds, the cross-validation, or joins it where it is at work already: the id follows
 * from configuration and data, so whoever starts an interrupted run again resumes it, and nobody starts one twice.
 * @throws Fault RUN_AT_WORK where it is at work on less than was asked for
 */
export async function startRun(
  run: string,
  input: PipelineInput,
  platform: Platform,
  priority?: RunPriority,
): Promise<{ resumed: boolean }> {
  const { name, settings, target, fresh } = input;
  const running = await findWorkflow(run, platform);
  const resumed = running?.status.name === 'RUNNING';
  if (resumed && fresh && running.memo?.[FROM] !== fresh.from) throw atWork(run, fresh.from);
  const what = `${settings.model.checkpoint} on ${target}`;
  const options = {
    workflowId: run,
    taskQueue: QUEUES.workflow,
    priority: priorityOf(name, priority),
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticDetails: settingsTable(settings),
    ...(fresh && { memo: { [FROM]: fresh.from } }),
  };
  const { workflow } = platform.client;
  const { folds } = settings.split;
  if (folds === undefined) {
    const one = { ...options, args: [input] as [PipelineInput], staticSummary: `Fine-tune ${what}` };
    await workflow.start<typeof pipelineWorkflow>(WORKFLOWS.pipeline, one);
  } else {
    const args: [CrossValidationInput] = [{ ...input, settings: { ...settings, split: { ...settings.split, folds } } }];
    const all = { ...options, args, staticSummary: `Cross-validate ${what}, folds: ${folds}` };
    await workflow.start<typeof crossValidateWorkflow>(WORKFLOWS.crossValidate, all);
  }
  return { resumed };
}

/** Of the workflow's memo: what an open run was told to do again. */
const FROM = 'samflowFrom';

function atWork(run: string, from: Stage): Fault {
  return new Fault('RUN_AT_WORK', {
    at: run,
    found: 'a run at work',
    expected: `one that has ended, to be done again from ${from} on`,
    fix: `Wait for it, or end it with \`samflow cancel ${run}\``,
  });
}

/** The settings as the Web UI shows them: a row for each key, and one for a setting that is no section. */
export function settingsTable(settings: PipelineInput['settings']): string {
  const row = (key: string, value: unknown): string => `| ${key} | \`${JSON.stringify(value)}\` |`;
  const rows = Object.entries(settings).flatMap(([name, value]) =>
    typeof value === 'object'
      ? Object.entries(value).map(([key, inner]) => row(`${name}.${key}`, inner))
      : [row(name, value)],
  );
  return ['| setting | value |', '| --- | --- |', ...rows].join('\n');
}
