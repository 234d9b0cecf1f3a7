import { createHash } from 'node:crypto';
import { ChainStep } from '../../contracts/chain.ts';
import { PipelineResult } from '../../contracts/pipeline.ts';
import { canonicalJson } from '../../lib/artifacts/canonical-json.ts';
import type { ProofBucket } from './installation.ts';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** What a run left behind, as far as it must not depend on what was done to its workers. */
export interface Account {
  /** Digests by what they are of. */
  readonly digests: Readonly<Record<string, string>>;
  readonly metrics: PipelineResult['metrics'];
  readonly steps: number;
  readonly chain: readonly ChainStep[];
  /** What is wrong with the chain or the store, one sentence each. */
  readonly violations: readonly string[];
}

export async function accountOf(value: unknown, bucket: ProofBucket): Promise<Account> {
  const result = PipelineResult.parse(value);
  const { artifacts } = bucket;
  const [chain, violations] = await readChain(bucket);
  const json = (part: unknown): string => sha256(canonicalJson(part));
  const report = Buffer.from(await artifacts.get(result.report)).toString('utf8');
  return {
    digests: {
      weights: result.weights.sha256,
      curves: result.curves.sha256,
      metrics: json(result.metrics),
      evaluation: result.evaluation.sha256,
      split: result.split.record.sha256,
      package: result.package.sha256,
      masks: json(result.masks.map(({ patient, mask }) => [patient, mask.sha256])),
      report: sha256(withoutTimes(report)),
    },
    metrics: result.metrics,
    steps: chain.at(-1)?.step ?? 0,
    chain,
    violations: [...violations, ...(await doubledShards(bucket))],
  };
}

/** What a stage took is another number each time; it stands in the lineage alone. */
const withoutTimes = (html: string): string => html.replace(/<section id="lineage">.*?<\/section>/s, '');

/** One file for each step, each naming the one before it by its digest, and every checkpoint whole. */
async function readChain({ store, artifacts }: ProofBucket): Promise<[ChainStep[], string[]]> {
  const chain: ChainStep[] = [];
  const violations: string[] = [];
  let last: { step: number; sha256: string } | null = null;
  for await (const { key } of store.list('runs/')) {
    if (!key.includes('/steps/')) continue;
    const { bytes } = (await store.get(key))!;
    const parsed = ChainStep.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    if (!parsed.success) {
      violations.push(`${key} is no step of a chain`);
      continue;
    }
    const step = parsed.data;
    if (step.parent !== (last?.step ?? null) || step.parentSha256 !== (last?.sha256 ?? null)) {
      violations.push(`step ${step.step} goes on from ${step.parent}, and before it stands ${last?.step ?? 'none'}`);
    }
    if (chain.length > 0 && step.fence < chain.at(-1)!.fence)
      violations.push(`step ${step.step} is of an older attempt`);
    await artifacts
      .get(step.checkpoint)
      .catch(() => violations.push(`the checkpoint of step ${step.step} is not whole`));
    chain.push(step);
    last = { step: step.step, sha256: sha256(bytes) };
  }
  return [chain, violations];
}

/** No slice encoded twice into the store. */
async function doubledShards({ store }: ProofBucket): Promise<string[]> {
  const seen = new Set<string>();
  const violations: string[] = [];
  for await (const { key } of store.list('memo/encode/')) {
    const { inputs, parameters } = JSON.parse(Buffer.from((await store.get(key))!.bytes).toString('utf8'));
    const shard = canonicalJson({ inputs, parameters });
    if (seen.has(shard)) violations.push(`${key}: a shard that was encoded twice`);
    seen.add(shard);
  }
  return violations;
}
