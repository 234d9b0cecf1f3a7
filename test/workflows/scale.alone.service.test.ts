import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Platform } from '../../cli/dev/platform.ts';
import { type Snapshot, takeSnapshot } from '../../cli/watch/snapshot.ts';
import { RunConfig } from '../../contracts/config.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { PipelineInput } from '../../contracts/pipeline.ts';
import { MOST_PATIENTS } from '../../lib/dataset/pairing.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../helpers/doubled-activities.ts';
import { smallRun } from '../helpers/installation.ts';
import { type NoOpSetting, noOpStages, refOf } from '../helpers/no-op-stages.ts';

const { split, model, device, slices, prompts, training, evaluation } = RunConfig.parse(smallRun('scale'));
const input: PipelineInput = {
  ...{ name: 'scale', target: 'lungs', spec: refOf('dataset-spec'), structures: [{ name: 'lungs', label: null }] },
  settings: { split, model, device, slices, prompts, training, evaluation },
};
/** A shard of 32 slices, and ViT-B's of 8. */
const SMALL = [64, 16, 16] as const;
const VIT_B = [256, 64, 64] as const;

/** By their number of patients; the long ones take minutes, and run where they are asked for: SAMFLOW_TEST_LONG=1000,10,1500. */
const cases: Readonly<Record<string, NoOpSetting & { readonly shardSlices: number }>> = {
  261: { patients: 261, slices: 384, embeddingShape: SMALL, shardSlices: 32 },
  1000: { patients: 1_000, slices: 100, embeddingShape: VIT_B, shardSlices: 8 },
  10: { patients: 10, slices: 10_000, embeddingShape: VIT_B, shardSlices: 8 },
  1500: { patients: MOST_PATIENTS, slices: 67, embeddingShape: SMALL, shardSlices: 32 },
};
const asked = (process.env.SAMFLOW_TEST_LONG ?? '261').split(',');

/** From these on the server asks for a new history; what is done by then is allowed to end. */
const EVENTS = 4_096;
const BYTES = 4 * 2 ** 20;
/** The server begins to warn. */
const WARNED = 8 * 2 ** 20;
const TAIL = 1.25;
/** Shards on one list. */
const ON_A_LIST = 256;
const MOST_MEMORY = 1.5 * 2 ** 30;

describe('a hundred thousand slices', { skip: await withoutTools('temporal') }, () => {
  for (const setting of asked.flatMap((name) => cases[name] ?? [])) {
    describe(`of ${setting.patients} patients`, () => {
      const { stages, asked: done, rowsOf } = noOpStages(setting);
      let temporal: DoubledActivities;
      before(async () => {
        temporal = await openDoubled('../../workflows/index.ts', stages, 20);
      });
      after(() => temporal?.close());

      it('go through histories of bounded length, with progress that never goes back', async (context) => {
        const started = performance.now();
        const run = await temporal.start<{ split: object }>(WORKFLOWS.pipeline, input);
        const watch = watchRun(temporal.client, run.workflowId);
        const result = await run.result();
        const seconds = (performance.now() - started) / 1000;
        const { snapshots, peakBytes } = await watch.end();

        const whole = setting.patients * setting.slices;
        const rows = rowsCut(setting.slices, setting.shardSlices);
        assert.deepEqual([done.slices, done.shards], [whole, setting.patients * rows.length]);
        assert.equal(done.trained.length, setting.patients);
        for (const patient of done.trained) {
          assert.deepEqual(rowsOf(patient), rows);
          assert.equal(patient.shards.length, Math.ceil(rows.length / ON_A_LIST));
        }
        assertRight(snapshots);

        const runs = await historiesOf(temporal.client, run.workflowId);
        const parent = runs.find(({ id }) => id === run.workflowId)!;
        for (const { id, events, bytes } of runs) {
          const [mostEvents, mostBytes] = id === parent.id ? [500 + 2 * setting.patients, WARNED] : [EVENTS, BYTES];
          const said = `${id}: ${events} events, ${bytes} bytes`;
          assert.ok(events < mostEvents * TAIL && bytes < mostBytes * TAIL, said);
        }
        assert.ok(runs.filter(({ id }) => id.endsWith('/encode')).length > 1, 'the encoding went on in new histories');
        assert.ok(peakBytes < MOST_MEMORY, `${peakBytes} bytes of memory`);
        const most = (of: 'events' | 'bytes') => Math.max(...runs.map((one) => one[of]));
        context.diagnostic(
          [
            `${setting.patients} × ${setting.slices} slices, ${done.shards} shards: ${seconds.toFixed(0)} s`,
            `${runs.length} histories of up to ${most('events')} events and ${(most('bytes') / 2 ** 20).toFixed(2)} MiB`,
            `pipeline ${parent.events} events, ${(parent.bytes / 2 ** 20).toFixed(2)} MiB`,
            `result ${JSON.stringify(result).length} bytes, memory of all workers ${(peakBytes / 2 ** 20).toFixed(0)} MiB`,
            `${snapshots.length} looks`,
          ].join('; '),
        );
      });
    });
  }
});

function rowsCut(slices: number, step: number): [number, number][] {
  return Array.from({ length: Math.ceil(slices / step) }, (_, at) => [at * step, Math.min(slices, (at + 1) * step)]);
}

/** Looks at the run as `samflow watch` does, until told to end. */
function watchRun(client: Client, run: string) {
  const snapshots: Snapshot[] = [];
  let peakBytes = 0;
  let ended = false;
  const look = async (): Promise<void> => {
    while (!ended) {
      const snapshot = await takeSnapshot({ client } as Platform, run, snapshots.at(-1) ?? null).catch(() => null);
      if (snapshot) snapshots.push(snapshot);
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
      await sleep(200);
    }
    snapshots.push(await takeSnapshot({ client } as Platform, run, snapshots.at(-1) ?? null));
  };
  const looking = look();
  return {
    async end() {
      ended = true;
      await looking;
      return { snapshots, peakBytes };
    },
  };
}

function assertRight(snapshots: readonly Snapshot[]): void {
  assert.ok(snapshots.length > 10, 'there was time to look');
  const before = new Map<string, number>();
  for (const { stages } of snapshots) {
    for (const { name, done, total } of stages) {
      assert.ok(done <= total, `${name}: ${done} of ${total}`);
      assert.ok(done >= (before.get(name) ?? 0), `${name} went back from ${before.get(name)} to ${done}`);
      before.set(name, done);
    }
  }
  for (const { name, done, total, state } of snapshots.at(-1)!.stages) {
    assert.deepEqual([name, done, state], [name, total, 'done']);
  }
}

/** Every run of the workflow and its children. */
async function historiesOf(client: Client, run: string): Promise<{ id: string; events: number; bytes: number }[]> {
  const found = [];
  for await (const one of client.workflow.list({ query: `WorkflowId STARTS_WITH "${run}"` })) {
    found.push({ id: one.workflowId, events: one.historyLength, bytes: one.historySize ?? 0 });
  }
  return found;
}
