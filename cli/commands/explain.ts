import pc from 'picocolors';
import { explainRun } from '../../lib/artifacts/explain.ts';
import { innerRun } from '../../lib/artifacts/inner-runs.ts';
import { inParallel } from '../../lib/artifacts/manifests.ts';
import { EXIT } from '../exit-codes.ts';
import { renderAccounts, renderEnd, renderInnerRuns } from '../explain-text.ts';
import { findLineage, requireLineage } from '../find-lineage.ts';
import { withSession } from '../session.ts';

/** `samflow explain RUN`: why each stage worked, or whose work it reused; where it failed; and which runs are inside. */
export const explainCommand = (run: string, { json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const lineage = await requireLineage(run, platform);
    const stages = await explainRun(lineage, platform.store);
    const runs = await inParallel(lineage.runs ?? [], async (id) => innerRun(id, await findLineage(id, platform)));
    const from = lineage.input.fresh?.from ?? null;
    const { failed = null, omitted = 0 } = lineage;
    say(`${pc.bold(run)}${from === null ? '' : `  again from ${from} on`}`);
    const parts = [renderAccounts(stages, run, Date.now()), renderInnerRuns(runs), renderEnd({ failed, omitted })];
    for (const part of parts) if (part !== '') say(part);
    if (json) process.stdout.write(`${JSON.stringify({ run, from, stages, runs, failed, omitted })}\n`);
    return EXIT.ok;
  });
