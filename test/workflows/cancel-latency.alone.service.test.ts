import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { RunConfigInput } from '../../contracts/config.ts';
import { encodeWorkflowId } from '../../contracts/messages.ts';
import { scratchFolder, writeArchive } from '../helpers/archives.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { activitiesOf, pendingOf } from '../helpers/events.ts';
import { type Bucket, chainIn, Installation, smallRun } from '../helpers/installation.ts';
import { largeScans, serveFile } from '../helpers/large-scans.ts';
import { until } from '../helpers/until.ts';

/** From the request to the end of what computes. */
const LIMIT_MS = 1_000;

/** The stages in the order of the flow, by their activities; what lies before one is in the store when its turn comes. */
const STAGES = {
  download: 'download',
  convert: 'convert',
  slice: 'slice',
  split: 'split',
  encode: 'encodeShard',
  'fine-tune': 'fineTune',
  evaluate: 'evaluate',
  infer: 'infer',
  report: 'report',
} as const;

describe('a cancellation, in every stage', { skip: await withoutTools('temporal', 'versitygw') }, async () => {
  const folder = await scratchFolder();
  let installation: Installation;
  let bucket: Bucket;
  let source: Awaited<ReturnType<typeof serveFile>>;
  const figures: string[] = [];
  before(
    async () => {
      source = await serveFile(await writeArchive(join(folder, 'set.zip'), largeScans(3, [3, 3, 4])));
      installation = await Installation.open();
      bucket = installation.bucket('cancelled');
      // The archive is served on this machine.
      const env = { SAMFLOW_SOURCE_HOSTS: 'private' };
      await Promise.all([installation.startWorker('io,cpu', bucket, env), installation.startWorker('gpu', bucket)]);
    },
    { timeout: 180_000 },
  );
  after(async () => {
    await installation?.close();
    source?.close();
    console.log(`from the request to the end of the activity:\n${figures.join('\n')}`);
  });

  const configFor = (stage: string): RunConfigInput => ({
    ...smallRun('latency', { epochs: stage === 'fine-tune' ? 2_000 : 1, patience: 0, checkpointEverySteps: 1_000 }),
    source: { kind: 'http', url: source.url },
    dataset: {
      target: 'lungs',
      pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
    },
  });

  /** Cancels a run while this stage is at work; how long it took, and how the activity ended. */
  async function cancelIn(stage: keyof typeof STAGES, id: string): Promise<{ ms: number; how: string }> {
    source.slow = stage === 'download';
    const type = STAGES[stage];
    const handle = await installation.startRun(id, configFor(stage), bucket);
    const at: WorkflowHandle =
      stage === 'encode' ? installation.client.workflow.getHandle(encodeWorkflowId(id)) : handle;
    const isAtWork = async (): Promise<boolean> => (await pendingOf(at, type).catch(() => null))?.isStarted ?? false;
    await installation.whileWorking(until(isAtWork, 120));
    if (stage === 'fine-tune') await until(async () => (await pendingOf(at, type))?.details?.step > 3, 60);
    if (stage === 'download') await sleep(500);
    const reached = stage === 'fine-tune' ? (await pendingOf(at, type))!.details.step : 0;
    await handle.cancel();
    await assert.rejects(installation.whileWorking(handle.result()));
    assert.equal((await handle.describe()).status.name, 'CANCELLED');

    const requestedAtMs = await cancelRequestOf(handle);
    const ended = (await activitiesOf(at, type)).filter(
      ({ endedAtMs }) => endedAtMs !== null && endedAtMs >= requestedAtMs,
    );
    const last = ended.sort((a, b) => a.endedAtMs! - b.endedAtMs!).at(-1);
    if (reached > 0) assert.ok((await chainIn(bucket)).at(-1)!.step >= reached, 'its step is in the store');
    return {
      ms: last ? last.endedAtMs! - requestedAtMs : 0,
      how: last ? (last.cancelledAtMs === null ? 'ended by itself' : 'cancelled') : 'had ended',
    };
  }

  for (const stage of Object.keys(STAGES) as (keyof typeof STAGES)[]) {
    it(`reaches ${stage} in under a second`, { timeout: 180_000 }, async () => {
      const { ms, how } = await cancelIn(stage, stage);
      figures.push(`  ${stage.padEnd(10)} ${String(Math.round(ms)).padStart(5)} ms  ${how}`);
      assert.ok(ms < LIMIT_MS, figures.at(-1));
    });
  }

  it('leaves all of it to the next run, which ends well', { timeout: 180_000 }, async () => {
    const handle = await installation.startRun('at-last', configFor('report'), bucket);
    const { stages } = await installation.whileWorking(handle.result());
    const reused = stages.filter((stage) => stage.reused).map(({ name }) => name);
    assert.deepEqual(reused, Object.keys(STAGES).slice(0, 8));
  });
});

/** When the server had the request, in milliseconds of the epoch. */
async function cancelRequestOf(handle: WorkflowHandle): Promise<number> {
  const { events } = await handle.fetchHistory();
  const time = events?.find((event) => event.workflowExecutionCancelRequestedEventAttributes)?.eventTime;
  return Number(time?.seconds) * 1000 + (time?.nanos ?? 0) / 1e6;
}
