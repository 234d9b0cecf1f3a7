import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { EncodeWorkflowInput } from '../../contracts/pipeline.ts';
import { type Priority, priorityOf } from '../../contracts/priority.ts';
import type { EncodeShardInput } from '../../contracts/stages.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../helpers/doubled-activities.ts';
import { noOpStages, patientAt, refOf } from '../helpers/no-op-stages.ts';
import { until } from '../helpers/until.ts';

/** As the pipeline asks for; see workflows/options.ts. */
const WIDTH = 16;
const SHARD_MS = 30;
const { model, stages } = noOpStages({ patients: 1, slices: 1, embeddingShape: [1, 1, 1] });
const fanOut = (shards: number): EncodeWorkflowInput => ({
  ...{ model, shardSlices: 1, width: WIDTH },
  patients: [{ patient: patientAt(1), slices: refOf('slices'), count: shards }],
});

describe('one gpu worker and a run of very many shards', { skip: await withoutTools('temporal') }, () => {
  let temporal: DoubledActivities;
  /** Whose shards were encoded, in order. */
  let order: string[];
  let flood: WorkflowHandle;
  before(async () => {
    const encodeShard = async (shard: EncodeShardInput) => {
      order.push(Context.current().info.workflowExecution!.workflowId);
      await sleep(SHARD_MS);
      return stages.encodeShard(shard);
    };
    temporal = await openDoubled('../../workflows/index.ts', { ...stages, encodeShard }, 1);
  });
  after(() => temporal?.close());
  beforeEach(() => {
    order = [];
  });

  /** Shards of others that were encoded between those of the small run, from its start on. */
  const meets = async (shards: number, small: Priority, big: Priority): Promise<number> => {
    flood = await temporal.start(WORKFLOWS.encode, fanOut(2_000), big);
    await until(() => order.length > 20, 30);
    const before = order.length;
    const run = await temporal.start(WORKFLOWS.encode, fanOut(shards), small);
    await run.result();
    const own = order.filter((id) => id === run.workflowId).length;
    assert.equal(own, shards);
    const others = order.length - before - own;
    await flood.terminate();
    return others;
  };

  it('let a small one of the same priority through in turn, shard by shard', { timeout: 120_000 }, async () => {
    const shards = 8;
    const others = await meets(shards, priorityOf('small'), priorityOf('big'));
    // A few are at work or on their way when it starts and ends.
    assert.ok(others <= shards + 4, `${others} shards of the big run`);
  });

  it('let one of a higher priority through at once', { timeout: 120_000 }, async () => {
    const others = await meets(8, priorityOf('small', 'high'), priorityOf('big', 'low'));
    assert.ok(others <= 4, `${others} shards of the big run`);
  });
});
