import type { RunLineage } from '../../contracts/lineage.ts';
import { firstDifferenceWithin, type Nested } from '../../lib/artifacts/why.ts';
import type { Platform } from '../dev/platform.ts';
import { EXIT } from '../exit-codes.ts';
import { differenceText } from '../explain-text.ts';
import { findLineage, requireLineage } from '../find-lineage.ts';
import { withSession } from '../session.ts';

/** `samflow why A B`: what differs first between two runs, in the order of the stages. */
export const whyCommand = (a: string, b: string, { json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const [before, after] = [await requireLineage(a, platform), await requireLineage(b, platform)];
    const nested = [await nestedIn(before, platform), await nestedIn(after, platform)] as const;
    const difference = await firstDifferenceWithin(...nested, platform.store);
    const where = difference.inside === undefined ? '' : `${difference.inside}: `;
    say(`${where}${differenceText(difference, a, b)}`);
    if (json) process.stdout.write(`${JSON.stringify({ a, b, difference })}\n`);
    return EXIT.ok;
  });

async function nestedIn(lineage: RunLineage, platform: Platform): Promise<Nested> {
  const inside: [string, RunLineage][] = [];
  for (const run of lineage.runs ?? []) {
    const found = await findLineage(run, platform);
    if (found) inside.push([run.split('/').at(-1)!, found]);
  }
  return { lineage, inside };
}
