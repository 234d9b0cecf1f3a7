import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactRef } from '../../../contracts/artifact.ts';
import { WORKFLOWS } from '../../../contracts/messages.ts';
import type { EncodeWorkflowInput } from '../../../contracts/pipeline.ts';
import type { EncodeShardInput, EncodeShardResult } from '../../../contracts/stages.ts';
import { withoutTools } from '../../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../../helpers/doubled-activities.ts';

const ref = (kind: string): ArtifactRef => ({
  kind,
  key: `cas/sha256/${'0'.repeat(64)}`,
  sha256: '0'.repeat(64),
  bytes: 1,
});
const SHARDS = 16;
const input: EncodeWorkflowInput = {
  model: {
    ...{ name: 'double', origin: null, embeddingShape: [1, 1, 1] },
    ...{ config: ref('config'), preprocessor: ref('preprocessor'), weights: ref('weights') },
  },
  patients: [{ patient: 'p-000000000001', slices: ref('slices'), count: SHARDS }],
  ...{ shardSlices: 1, width: 8 },
};

describe('a queue in front of a worker with one slot', { skip: await withoutTools('temporal') }, () => {
  let temporal: DoubledActivities;
  const times: { readonly start: number; readonly end: number }[] = [];
  before(async () => {
    const activities = {
      async encodeShard({ from, to }: EncodeShardInput): Promise<EncodeShardResult> {
        const start = performance.now();
        await sleep(300);
        times.push({ start, end: performance.now() });
        return { embeddings: ref('embeddings'), from, to, reused: false, seconds: 0 };
      },
    };
    temporal = await openDoubled('../../workflows/index.ts', activities, 1);
  });
  after(() => temporal?.close());

  it('never lets it stand still while tasks wait: the server offers each at once, not after two seconds', async () => {
    await (await temporal.start(WORKFLOWS.encode, input)).result();
    assert.equal(times.length, SHARDS);
    const waits = times.slice(1).map(({ start }, at) => start - times[at]!.end);
    assert.ok(Math.max(...waits) < 1_500, `waits in ms: ${waits.map(Math.round).join(' ')}`);
  });
});
