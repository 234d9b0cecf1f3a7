import type { Client } from '@temporalio/client';
import type { ProofBucket, ProofInstallation } from '../../cli/resume-proof/installation.ts';
import { sha256OfLarge } from '../../lib/artifacts/keys.ts';
import { historiesOf, type Kept, replayed, retriesIn } from './histories.ts';
import { leftovers } from './leftovers.ts';

/** What was found of a run after its fault, beside the account that says whether it is the untouched one’s. */
export interface Findings {
  readonly retries: number;
  readonly violations: readonly string[];
}

/**
 * The invariants that no account of a result shows: bytes under the hash of others (I3), what was left behind (I6), decisions that do
 * not replay (I7), more attempts than the fault explains (I8).
 */
export async function inspected(
  runs: readonly { readonly id: string; readonly run?: string | undefined }[],
  mostRetries: number,
  bucket: ProofBucket,
  installation: ProofInstallation,
): Promise<Findings> {
  const histories = await historiesOfAll(installation.client, runs);
  const retries = retriesIn(histories);
  const violations = [
    ...(await damagedIn(bucket)),
    ...(await leftovers(installation, bucket)),
    ...(await replayed(histories)),
    ...(retries > mostRetries ? [`${retries} attempts beyond the first, at most ${mostRetries}`] : []),
  ];
  return { retries, violations };
}

async function historiesOfAll(client: Client, runs: Parameters<typeof inspected>[0]): Promise<Kept[]> {
  return (await Promise.all(runs.map(({ id, run }) => historiesOf(client, id, run)))).flat();
}

async function damagedIn({ store }: ProofBucket): Promise<string[]> {
  const damaged: string[] = [];
  for await (const { key } of store.list('cas/sha256/')) {
    const bytes = (await store.get(key))?.bytes;
    if (!bytes || !key.endsWith(await sha256OfLarge(bytes))) damaged.push(`${key}: other bytes than its hash says`);
  }
  return damaged;
}
