import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import { WORKFLOWS } from '../contracts/messages.ts';
import type { PipelineInput } from '../contracts/pipeline.ts';
import { priorityOf, type RunPriority } from '../contracts/priority.ts';
import { QUEUES } from '../contracts/queues.ts';
import { structuresOf } from '../lib/dataset/label-groups.ts';
import type { pipelineWorkflow } from '../workflows/pipeline.ts';
import type { PreparedRun } from './config/prepare.ts';
import type { Platform } from './dev/platform.ts';

/** The workflow's input: what names patients goes into the store, and only its reference travels. */
export async function pipelineInput(
  { config, spec, settings }: PreparedRun,
  { artifacts }: Platform,
): Promise<PipelineInput> {
  const { target, labels } = config.dataset;
  const ref = await artifacts.putJson('dataset-spec', spec);
  return { name: config.name, target, structures: structuresOf(target, labels), spec: ref, settings };
}

/**
 * Starts the pipeline, or joins it where it is at work already: the id follows from configuration and data, so whoever starts
 * an interrupted run again resumes it, and nobody starts one twice.
 */
export async function startRun(
  prepared: PreparedRun,
  platform: Platform,
  priority?: RunPriority,
): Promise<{ run: string; resumed: boolean }> {
  const { run, config, settings } = prepared;
  const input = await pipelineInput(prepared, platform);
  const resumed = await isRunning(platform, run);
  await platform.client.workflow.start<typeof pipelineWorkflow>(WORKFLOWS.pipeline, {
    workflowId: run,
    taskQueue: QUEUES.workflow,
    args: [input],
    priority: priorityOf(config.name, priority),
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticSummary: `Fine-tune ${settings.model.checkpoint} on ${config.dataset.target}`,
    staticDetails: settingsTable(settings),
  });
  return { run, resumed };
}

export async function isRunning({ client }: Platform, run: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(run).describe()).status.name === 'RUNNING';
  } catch {
    return false;
  }
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
