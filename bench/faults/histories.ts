import { fileURLToPath } from 'node:url';
import type { Client, WorkflowHandle } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';

const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** A workflow's history under its id. */
export interface Kept {
  readonly id: string;
  readonly history: History;
}

/** The histories of a run and of all workflows that it has started, whichever of their runs those were. */
export async function historiesOf(client: Client, id: string, run?: string): Promise<Kept[]> {
  const history = await client.workflow.getHandle(id, run).fetchHistory();
  const own = { id, history };
  const children = (history.events ?? []).flatMap(
    ({ childWorkflowExecutionStartedEventAttributes: started }) => started?.workflowExecution ?? [],
  );
  const kept = children.map(({ workflowId, runId }) => historiesOf(client, workflowId!, runId!));
  return [own, ...(await Promise.all(kept)).flat()];
}

/** I7: what workflows decided is what their code decides. One sentence for each that does not. */
export async function replayed(histories: readonly Kept[]): Promise<string[]> {
  const workflowBundle = await bundle();
  const sentences = histories.map(async ({ id, history }) => {
    try {
      await Worker.runReplayHistory({ workflowBundle }, history, id);
      return [];
    } catch (error) {
      return [`the history of ${id} does not replay: ${(error as Error).message}`];
    }
  });
  return (await Promise.all(sentences)).flat();
}

let bundled: Promise<WorkflowBundleWithSourceMap> | undefined;

function bundle(): Promise<WorkflowBundleWithSourceMap> {
  if (!bundled) {
    const logger = new DefaultLogger('ERROR');
    Runtime.install({ logger });
    bundled = bundleWorkflowCode({ workflowsPath: WORKFLOWS, logger });
  }
  return bundled;
}

/** I8: attempts beyond the first, of activities that have ended. */
export function retriesIn(histories: readonly Kept[]): number {
  const events = histories.flatMap(({ history }) => history.events ?? []);
  return events.reduce((sum, { activityTaskStartedEventAttributes: started }) => {
    return sum + (started ? (started.attempt ?? 1) - 1 : 0);
  }, 0);
}
