import type { ProofBucket } from '../../cli/resume-proof/installation.ts';
import { ChainStep } from '../../contracts/chain.ts';

/** How far the one training of a bucket has come: how many steps are kept, and by which attempt the last one was. */
export async function chainIn({ store }: ProofBucket): Promise<{ count: number; fence: number }> {
  const keys: string[] = [];
  for await (const { key } of store.list('runs/')) if (key.includes('/steps/')) keys.push(key);
  const last = keys.length === 0 ? null : await store.get(keys.sort().at(-1)!);
  const fence = last ? ChainStep.parse(JSON.parse(Buffer.from(last.bytes).toString('utf8'))).fence : 0;
  return { count: keys.length, fence };
}
