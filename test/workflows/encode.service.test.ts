import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Context } from '@temporalio/activity';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { EncodeWorkflowInput } from '../../contracts/pipeline.ts';
import type { EncodeResult, EncodeShardInput, EncodeShardResult } from '../../contracts/stages.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../helpers/doubled-activities.ts';

const ref = (kind: string, number: number): ArtifactRef => {
  const sha256 = String(number).padStart(64, '0');
  return { kind, key: `cas/sha256/${sha256}`, sha256, bytes: 1 };
};
const COUNT = 59;
const input: EncodeWorkflowInput = {
  model: {
    ...{ name: 'double', origin: null, embeddingShape: [1, 1, 1] },
    ...{ config: ref('config', 1), preprocessor: ref('preprocessor', 2), weights: ref('weights', 3) },
  },
  patients: [1, 2, 3].map((at) => ({ patient: `p-00000000000${at}`, slices: ref('slices', at * 1000), count: COUNT })),
  ...{ shardSlices: 2, width: 8 },
};
const SHARDS = 3 * 30;

describe('an encoding of more shards than one history has room for', { skip: await withoutTools('temporal') }, () => {
  let temporal: DoubledActivities;
  /** The server asks for a new history after 4 MiB: so much goes into each shard's result. */
  let weight: number;
  let encoded: string[];
  /** Runs of the workflow: each has a history of its own. */
  let histories: Set<string>;
  before(async () => {
    temporal = await openDoubled('../../workflows/index.ts', {
      async encodeShard({ slices, from, to }: EncodeShardInput): Promise<EncodeShardResult & { ballast: string }> {
        histories.add(Context.current().info.workflowExecution!.runId);
        encoded.push(`${slices.sha256} ${from}`);
        const embeddings = ref('embeddings', Number(slices.sha256) + from);
        return { embeddings, from, to, reused: from === 0, seconds: 0.1, ballast: 'x'.repeat(weight) };
      },
    });
  });
  after(() => temporal?.close());
  beforeEach(() => {
    weight = 0;
    encoded = [];
    histories = new Set();
  });
  const encode = async (): Promise<EncodeResult> =>
    (await temporal.start<EncodeResult>(WORKFLOWS.encode, input)).result();

  it('goes on in new histories, does every shard once, and gives what one history would have given', async () => {
    const expected = await encode();
    assert.equal(histories.size, 1);
    assert.equal(encoded.length, SHARDS);
    assert.deepEqual(
      expected.patients.map(({ shards }) => shards.map(({ from, to }) => to - from)),
      input.patients.map(() => [...Array(29).fill(2), 1]),
    );
    assert.deepEqual([expected.reused, expected.seconds], [false, 9]);

    [weight, encoded, histories] = [120_000, [], new Set()];
    assert.deepEqual(await encode(), expected);
    assert.ok(histories.size > 1);
    assert.equal(encoded.length, SHARDS);
    assert.equal(new Set(encoded).size, SHARDS);
  });
});
