import { setTimeout as sleep } from 'node:timers/promises';
import type { Platform } from './dev/platform.ts';
import { findWorkflow, unknownRun } from './find-run.ts';

/** One execution of a workflow, as Temporal keeps it. */
export interface Execution {
  readonly workflowId: string;
  readonly runId: string;
  readonly isOpen: boolean;
}

/** Anything else would be another question to the server. A schedule puts the time into its workflows' ids. */
const ID = /^[^'"`\\\s]+$/;
/** The server deletes by and by: what has just ended, after half a minute, when it has noted so for good. */
const PATIENCE_MS = 45_000;

/** All executions of a run and of what it has started that Temporal remembers. @throws Fault RUN_UNKNOWN for what is no id */
export async function executionsOf(run: string, platform: Platform): Promise<Execution[]> {
  if (!ID.test(run)) throw unknownRun(run);
  const query = `WorkflowId = '${run}' OR WorkflowId STARTS_WITH '${run}/'`;
  const found = new Map<string, Execution>();
  for await (const { workflowId, runId, status } of platform.client.workflow.list({ query })) {
    found.set(runId, { workflowId, runId, isOpen: status.name === 'RUNNING' });
  }
  // The list is a moment behind.
  const now = await findWorkflow(run, platform);
  if (now) found.set(now.runId, { workflowId: run, runId: now.runId, isOpen: now.status.name === 'RUNNING' });
  return [...found.values()];
}

/** Deletes histories of workflows that have ended. False where the server was still at it after a while. */
export async function deleteExecutions(executions: readonly Execution[], platform: Platform): Promise<boolean> {
  const { client, namespace } = platform;
  for (const { workflowId, runId } of executions) {
    await client.workflowService
      .deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } })
      .catch(ignoreMissing);
  }
  const left = new Map(executions.map((execution) => [execution.runId, execution]));
  for (const end = Date.now() + PATIENCE_MS; left.size > 0 && Date.now() < end; await sleep(200)) {
    for (const [key, execution] of left) if (!(await exists(execution, platform))) left.delete(key);
  }
  return left.size === 0;
}

async function exists({ workflowId, runId }: Execution, { client, namespace }: Platform): Promise<boolean> {
  const asked = client.workflowService.describeWorkflowExecution({ namespace, execution: { workflowId, runId } });
  return asked.then(
    () => true,
    (error: unknown) => {
      ignoreMissing(error);
      return false;
    },
  );
}

/** gRPC's number for what is not there. */
const NOT_FOUND = 5;

function ignoreMissing(error: unknown): void {
  if ((error as { code?: unknown }).code !== NOT_FOUND) throw error;
}
