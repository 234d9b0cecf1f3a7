import pc from 'picocolors';
import { explainRun } from '../../lib/artifacts/explain.ts';
import { EXIT } from '../exit-codes.ts';
import { renderAccounts } from '../explain-text.ts';
import { requireLineage } from '../find-run.ts';
import { withSession } from '../session.ts';

/** `samflow explain RUN`: why each stage worked, or whose work it reused. */
export const explainCommand = (run: string, { json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const lineage = await requireLineage(run, platform);
    const stages = await explainRun(lineage, platform.store);
    const from = lineage.input.fresh?.from ?? null;
    say(`${pc.bold(run)}${from === null ? '' : `  again from ${from} on`}`);
    say(renderAccounts(stages, run, Date.now()));
    if (json) process.stdout.write(`${JSON.stringify({ run, from, stages })}\n`);
    return EXIT.ok;
  });
