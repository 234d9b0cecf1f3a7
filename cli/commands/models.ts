import Table from 'cli-table3';
import { Candidate, Champion, ModelPackage } from '../../contracts/stages.ts';
import type { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { candidateKey, championKey } from '../../lib/artifacts/keys.ts';
import { modelNames } from '../../lib/artifacts/promotion.ts';
import { EXIT } from '../exit-codes.ts';
import { withSession } from '../session.ts';
import { tableStyle } from '../table-style.ts';

/** `samflow models`: which model serves under each name, by whose word, and which one waits for one. */
export const modelsCommand = ({ json }: { readonly json?: boolean }): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform: { store, artifacts }, say }) => {
    const models = [];
    for (const name of await modelNames(store)) models.push(await describe(name, artifacts));
    const table = new Table({ head: ['model', 'champion', 'Dice', 'promoted by', 'waiting', 'Dice'], ...tableStyle() });
    for (const { model, champion, waiting } of models) {
      const served = champion
        ? [champion.run, champion.dice.toFixed(3), champion.by ?? 'its scores']
        : ['none', '', ''];
      table.push([model, ...served, waiting?.run ?? '', waiting ? waiting.dice.toFixed(3) : '']);
    }
    say(models.length > 0 ? table.toString() : 'No model yet: `samflow schedule` trains and keeps them.');
    if (json) process.stdout.write(`${JSON.stringify({ models })}\n`);
    return EXIT.ok;
  });

async function describe(model: string, artifacts: ArtifactStore) {
  const champion = (await artifacts.readPointer(championKey(model), Champion))?.value;
  const proposal = (await artifacts.readPointer(candidateKey(model), Candidate))?.value.proposal;
  const isWaiting = proposal && proposal.metrics !== champion?.promotion?.metrics;
  return {
    model,
    champion: champion
      ? {
          run: champion.run,
          dice: (await artifacts.getJson(champion.package, ModelPackage)).metrics.fineTuned.dice,
          by: champion.promotion?.by ?? null,
          at: champion.promotion?.at ?? null,
        }
      : null,
    waiting: isWaiting ? { run: proposal.run, dice: proposal.challenger, author: proposal.author } : null,
  };
}
