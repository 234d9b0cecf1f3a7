import { firstDifference } from '../../lib/artifacts/why.ts';
import { EXIT } from '../exit-codes.ts';
import { differenceText } from '../explain-text.ts';
import { requireLineage } from '../find-run.ts';
import { withSession } from '../session.ts';

/** `samflow why A B`: what differs first between two runs, in the order of the stages. */
export const whyCommand = (a: string, b: string, { json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const [before, after] = [await requireLineage(a, platform), await requireLineage(b, platform)];
    const difference = await firstDifference(before, after, platform.store);
    say(differenceText(difference, a, b));
    if (json) process.stdout.write(`${JSON.stringify({ a, b, difference })}\n`);
    return EXIT.ok;
  });
