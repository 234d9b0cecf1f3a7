import pc from 'picocolors';
import { FOLD_RUN, WORKFLOWS } from '../../contracts/messages.ts';
import type { Platform } from '../dev/platform.ts';
import { EXIT } from '../exit-codes.ts';
import { findResult, findWorkflow, unknownRun } from '../find-run.ts';
import { tellEnding } from '../follow-run.ts';
import { type ListedRun, renderRuns } from '../runs-text.ts';
import { type Session, withSession } from '../session.ts';
import { tellEnded } from '../tell-ended.ts';
import { renderLive } from '../watch/render.ts';
import { type Snapshot, takeSnapshot } from '../watch/snapshot.ts';

export interface StatusOptions {
  readonly json?: boolean;
}

/** `samflow status [RUN]`: one run as it stands, or all that Temporal remembers. */
export const statusCommand = (run: string | undefined, { json }: StatusOptions): Promise<number> =>
  withSession({ json, workers: false }, (session) => (run === undefined ? listRuns(session) : showRun(run, session)));

async function showRun(run: string, session: Session): Promise<number> {
  const { platform, json, say } = session;
  const workflow = await findWorkflow(run, platform);
  if (!workflow) {
    // Older than Temporal's retention: the store still knows how it ended.
    const result = await findResult(run, platform);
    if (!result) throw unknownRun(run);
    return tellEnding(run, { result }, platform, session);
  }
  const snapshot = await takeSnapshot(platform, run, null);
  say(`${pc.bold(run)}  ${snapshot.control?.paused ? 'paused' : snapshot.status.toLowerCase()}`);
  if (snapshot.stages.length > 0) say(renderLive(snapshot, Date.now(), process.stdout.columns ?? 120));
  if (snapshot.status !== 'RUNNING') return tellEnded(run, workflow.type, session);
  if (json) process.stdout.write(`${JSON.stringify(runningJson(snapshot))}\n`);
  return EXIT.ok;
}

function runningJson({ run, stages, metrics, training, control }: Snapshot): object {
  return {
    ...{ run, status: control?.paused ? 'paused' : 'running', control, metrics, training },
    stages: stages.map(({ name, state, done, total, seconds }) => ({ name, state, done, total, seconds })),
    report: null,
  };
}

/** What has an id that a command has printed; the parts that these start themselves are not listed. */
const KINDS = ['pipeline', 'crossValidate', 'infer', 'retrain'] as const;

interface Listed extends ListedRun {
  readonly kind: (typeof KINDS)[number];
}

async function listRuns({ platform, json, say }: Session): Promise<number> {
  const runs = await readRuns(platform);
  say(
    runs.length > 0
      ? renderRuns(runs, Date.now(), process.stdout.columns)
      : 'No run yet: start one with `samflow demo` or `samflow run CONFIG`.',
  );
  if (json) process.stdout.write(`${JSON.stringify({ runs })}\n`);
  return EXIT.ok;
}

/** Newest first; Temporal lists by the end. */
async function readRuns({ client }: Platform): Promise<Listed[]> {
  const runs: Listed[] = [];
  const types = KINDS.map((kind) => `'${WORKFLOWS[kind]}'`).join(', ');
  for await (const info of client.workflow.list({ query: `WorkflowType IN (${types})` })) {
    if (FOLD_RUN.test(info.workflowId)) continue;
    const attribute = (name: string): unknown => (info.searchAttributes[name] as unknown[] | undefined)?.[0] ?? null;
    runs.push({
      run: info.workflowId,
      kind: KINDS.find((kind) => WORKFLOWS[kind] === info.type) ?? 'pipeline',
      status: info.status.name.toLowerCase(),
      stage: attribute('SamflowStage') as string | null,
      dice: attribute('SamflowDice') as number | null,
      started: info.startTime.toISOString(),
    });
  }
  return runs.sort((a, b) => b.started.localeCompare(a.started));
}
