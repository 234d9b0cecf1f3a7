import { failureKey, lineageKey, RunLineage } from '../contracts/lineage.ts';
import { WORKFLOWS } from '../contracts/messages.ts';
import { Fault } from '../lib/fault.ts';
import type { Platform } from './dev/platform.ts';
import { findWorkflow, requireResult } from './find-run.ts';

/** What a run was started with and used: of its last attempt that has ended, well or not. Null where none has. */
export async function findLineage(run: string, platform: Platform): Promise<RunLineage | null> {
  const written = new Map<string, Date>();
  for (const key of [lineageKey(run), failureKey(run)]) {
    for await (const object of platform.store.list(key)) if (object.key === key) written.set(key, object.modified);
  }
  const [finished, failed] = [written.get(lineageKey(run)), written.get(failureKey(run))];
  const isFailed = failed && (!finished || failed > finished);
  return isFailed ? read(failureKey(run), platform) : finished ? read(lineageKey(run), platform) : null;
}

/** The same. @throws Fault RUN_UNKNOWN, RUN_UNFINISHED, RUN_UNEXPLAINED */
export const requireLineage = async (run: string, platform: Platform): Promise<RunLineage> =>
  (await findLineage(run, platform)) ?? explainAbsence(run, platform);

/**
 * What a run that trains was started with and used, when it last ended well or, where it never has, when it last failed; of a retraining,
 * that of the run inside. @throws Fault RUN_HAS_FOLDS, and as `requireLineage`
 */
export async function requireTraining(
  run: string,
  platform: Platform,
): Promise<{ readonly run: string; readonly lineage: RunLineage }> {
  const lineage = (await read(lineageKey(run), platform)) ?? (await requireLineage(run, platform));
  if (!lineage.runs) return { run, lineage };
  const [first] = lineage.runs;
  if (lineage.input.settings.split.folds === undefined && first) return requireTraining(first, platform);
  throw new Fault('RUN_HAS_FOLDS', {
    ...{ at: run, found: 'a cross-validation, with a model for each fold', expected: 'a run with one' },
    fix: `Name the run of a fold${first ? `, e.g. ${first}` : ''}, or train one model without \`split.folds\``,
  });
}

const read = async (key: string, { artifacts }: Platform): Promise<RunLineage | null> =>
  (await artifacts.readPointer<RunLineage>(key, RunLineage))?.value ?? null;

async function explainAbsence(run: string, platform: Platform): Promise<never> {
  const workflow = await findWorkflow(run, platform);
  if (workflow?.type === WORKFLOWS.retrain && workflow.status.name === 'COMPLETED') {
    throw new Fault('RUN_UNEXPLAINED', {
      at: run,
      found: 'a retraining that has trained nothing, or one of an older version',
      expected: 'one that has trained',
      fix: `Read what it found with \`samflow status ${run}\``,
    });
  }
  await requireResult({ run }, platform);
  throw new Fault('RUN_UNEXPLAINED', {
    at: run,
    found: 'a run of an older version, which kept no account of itself',
    expected: 'a run of this version',
    fix: 'Start it again with `samflow run`: what it has made is reused',
  });
}
