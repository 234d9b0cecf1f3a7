import pc from 'picocolors';
import { DatasetSpec } from '../../contracts/stages.ts';
import { approve, requireProposal } from '../../lib/artifacts/promotion.ts';
import { Fault } from '../../lib/fault.ts';
import { clientIdentity } from '../client-identity.ts';
import { EXIT } from '../exit-codes.ts';
import { requireLineage } from '../find-lineage.ts';
import { withSession } from '../session.ts';
import { signerOf } from '../signing.ts';
import { unverifiedSource } from '../unverified-source.ts';

export interface PromoteOptions {
  readonly unverified?: boolean;
  readonly json?: boolean;
}

/** `samflow promote NAME`: makes the waiting challenger the champion, on behalf of somebody who did not set it up. */
export const promoteCommand = (name: string, { unverified = false, json }: PromoteOptions): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const sign = signerOf(process.env);
    const { artifacts } = platform;
    const waiting = await requireProposal(artifacts, name);
    const { run, challenger } = waiting.proposal;
    const { spec } = (await requireLineage(run, platform)).input;
    const { source } = await artifacts.getJson<DatasetSpec>(spec, DatasetSpec);
    if (unverifiedSource(source) && !unverified) throw notVerified(name);
    const champion = await approve(artifacts, { name, waiting, by: clientIdentity(), now: new Date(), sign });
    say(`${pc.bold(name)} is now the model of ${run}, Dice ${challenger.toFixed(4)}.`);
    if (json) process.stdout.write(`${JSON.stringify({ model: name, run, ...champion.promotion })}\n`);
    return EXIT.ok;
  });

const notVerified = (name: string): Fault =>
  new Fault('PROMOTION_UNVERIFIED', {
    at: name,
    found: 'a model that has learned from an archive which nothing says the hash of',
    expected: '`source.sha256` in its configuration',
    fix: 'Set it and train again, or take the data as they are with --unverified',
  });
