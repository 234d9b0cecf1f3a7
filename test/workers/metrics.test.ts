import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Runtime } from '@temporalio/worker';
import type { Compute } from '../../activities/deps.ts';
import { ownMetrics } from '../../cli/dev/worker-environment.ts';
import { readWorkerConfig } from '../../workers/config.ts';
import { openLog } from '../../workers/log.ts';
import { measureCompute, measureStages } from '../../workers/measure.ts';
import { METRICS } from '../../workers/metric-table.ts';
import { Metrics } from '../../workers/metrics.ts';
import { installRuntime } from '../../workers/runtime.ts';
import { assertFault } from '../helpers/faults.ts';
import { code, tableRows } from '../helpers/markdown.ts';
import { scrape, sumOf } from '../helpers/scrape.ts';
import { readRepositoryFile } from '../helpers/source-tree.ts';

const log = openLog({ logLevel: 'fatal', logFile: null, logForm: null }, []);

/** Listens at a port that was nobody's. */
async function listen() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('the metrics of a worker', () => {
  const metrics = new Metrics();
  let address: string;
  before(async () => {
    const taken = await listen();
    address = taken.address;
    assertFault(() => installRuntime(log, address, ['gpu']), 'WORKER_CONFIG', /SAMFLOW_METRICS: found 127\.0\.0\.1/);
    taken.server.close();
    installRuntime(log, address, ['io', 'cpu']);
  });
  after(() => Runtime.instance().shutdown());

  /** Runs something as an activity of a type, as a worker does. */
  async function attempt(type: string, work: () => Promise<unknown>, cancelled = false): Promise<unknown> {
    const environment = new MockActivityEnvironment({ activityType: type });
    const { inbound } = measureStages(metrics)(environment.context);
    if (cancelled) environment.cancel('CANCELLED');
    return environment.run(async () => inbound!.execute!({ args: [{}], headers: {} }, work)).catch((error) => error);
  }

  it('count nothing before there is a meter', async () => {
    metrics.encoded(99);
    metrics.attach(Runtime.instance().metricMeter);
    metrics.encoded(12);
    const { samples } = await scrape(address);
    assert.equal(sumOf(samples, 'samflow_slices_encoded_total', { pool: 'io,cpu' }), 12);
  });

  it('tell attempts by stage and outcome, lookups by result, failures by code', async () => {
    await attempt('encodeShard', async () => ({ reused: false }));
    await attempt('encodeShard', async () => ({ reused: true }));
    await attempt('fingerprint', async () => 'x');
    await attempt('convert', async () => {
      throw ApplicationFailure.nonRetryable('why', 'NIFTI_TRUNCATED');
    });
    await attempt('fineTune', async () => Promise.reject(new CancelledFailure('x')), true);
    const { samples } = await scrape(address);
    const stages = samples.filter(({ name }) => name === 'samflow_stage_seconds_count');
    assert.deepEqual(stages.map(({ labels: { stage, outcome }, value }) => `${stage} ${outcome} ${value}`).sort(), [
      ...[
        'convert failed 1',
        'encode computed 1',
        'encode reused 1',
        'fine-tune cancelled 1',
        'fingerprint computed 1',
      ],
    ]);
    assert.equal(sumOf(samples, 'samflow_cache_lookups_total', { stage: 'encode', result: 'hit' }), 1);
    assert.equal(sumOf(samples, 'samflow_cache_lookups_total', { stage: 'encode', result: 'miss' }), 1);
    assert.equal(sumOf(samples, 'samflow_cache_lookups_total'), 2);
    assert.equal(sumOf(samples, 'samflow_stage_failures_total', { stage: 'convert', code: 'NIFTI_TRUNCATED' }), 1);
    assert.equal(sumOf(samples, 'samflow_stage_failures_total'), 1);
  });

  it('count the steps of a training and time those that follow each other', async () => {
    for (const step of [1, 2, 3]) metrics.trained('run-1', { step, trainLoss: step / 10, valDice: null });
    // Resumed elsewhere in between: the time away is no step's.
    metrics.trained('run-1', { step: 9, trainLoss: 0.25, valDice: 0.75 });
    const { samples } = await scrape(address);
    assert.equal(sumOf(samples, 'samflow_training_steps_total'), 4);
    assert.equal(sumOf(samples, 'samflow_training_step_seconds_count'), 2);
    assert.equal(sumOf(samples, 'samflow_training_loss', { run: 'run-1' }), 0.25);
    assert.equal(sumOf(samples, 'samflow_validation_dice', { run: 'run-1' }), 0.75);
  });

  it('tell requests, retries and bytes of S3 by operation', async () => {
    metrics.requests('GetObject')({ status: 200, attempts: 3, sentBytes: 0, receivedBytes: 7 });
    metrics.requests('PutObject')({ status: 412, attempts: 1, sentBytes: 5, receivedBytes: 0 });
    metrics.requests('PutObject')({ attempts: 1, sentBytes: 5, receivedBytes: 0 });
    const { samples } = await scrape(address);
    const requests = (operation: string, outcome: string) =>
      sumOf(samples, 'samflow_s3_request_seconds_count', { operation, outcome });
    assert.deepEqual(
      [requests('GetObject', 'ok'), requests('PutObject', 'refused'), requests('PutObject', 'error')],
      [1, 1, 1],
    );
    assert.equal(sumOf(samples, 'samflow_s3_retries_total', { operation: 'GetObject' }), 2);
    assert.equal(sumOf(samples, 'samflow_s3_bytes_total', { direction: 'received' }), 7);
    assert.equal(sumOf(samples, 'samflow_s3_bytes_total', { direction: 'sent' }), 10);
  });

  it('time the tasks of compute threads, and change neither their result nor their failure', async () => {
    const compute = { run: async (name: string) => (name === 'slice' ? Promise.reject(new Error('no')) : 7) };
    const measured = measureCompute(compute as unknown as Compute, metrics);
    const run = measured.run as unknown as (name: string, input: unknown, signal: AbortSignal) => Promise<unknown>;
    assert.equal(await run('convert', {}, new AbortController().signal), 7);
    await assert.rejects(run('slice', {}, new AbortController().signal), { message: 'no' });
    const { samples } = await scrape(address);
    const count = (task: string, outcome: string) =>
      sumOf(samples, 'samflow_compute_task_seconds_count', { task, outcome });
    assert.deepEqual([count('convert', 'done'), count('slice', 'failed')], [1, 1]);
  });

  it('leave out what a meter refuses', () => {
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY]) metrics.record('loss', value, { run: 'run-2' });
  });

  it('use the buckets of the table', async () => {
    const { samples } = await scrape(address);
    const bounds = samples
      .filter(({ name, labels }) => name === 'samflow_s3_request_seconds_bucket' && labels.operation === 'GetObject')
      .map(({ labels }) => labels.le);
    assert.deepEqual(bounds, [...METRICS.request.buckets.map(String), '+Inf']);
  });

  it('have names as Prometheus likes them', () => {
    for (const { kind, name } of Object.values(METRICS)) {
      assert.match(name, /^samflow_[a-z0-9_]+$/);
      // The exporter adds these.
      if (kind !== 'gauge') assert.doesNotMatch(name, /_(total|seconds)$/);
    }
  });
});

describe('the address of the metrics', () => {
  const read = (SAMFLOW_METRICS?: string) =>
    readWorkerConfig(['cpu'], { ...(SAMFLOW_METRICS !== undefined && { SAMFLOW_METRICS }) }).worker.metrics;

  it('is none by default, and one of this machine only where just a port is named', () => {
    assert.equal(read(), null);
    assert.equal(read('9464'), '127.0.0.1:9464');
    assert.equal(read('0.0.0.0:9464'), '0.0.0.0:9464');
    assert.equal(read('[::1]:9464'), '[::1]:9464');
    for (const wrong of ['localhost:9464', 'yes', '9464/metrics', '127.0.0.1']) {
      assertFault(() => read(wrong), 'WORKER_CONFIG', /an IP address and a port/);
    }
  });

  it('is another port for each pool of one machine', () => {
    const address = (SAMFLOW_METRICS: string | undefined, pool: 'io' | 'gpu') =>
      ownMetrics({ ...(SAMFLOW_METRICS !== undefined && { SAMFLOW_METRICS }) }, pool).SAMFLOW_METRICS;
    assert.equal(address('9464', 'io'), '9464');
    assert.equal(address('0.0.0.0:9464', 'gpu'), '0.0.0.0:9466');
    assert.equal(address('nonsense', 'gpu'), 'nonsense');
    assert.equal(address(undefined, 'io'), undefined);
  });
});

describe('the page on metrics', () => {
  it('lists those that there are, as the exporter names them', () => {
    const suffix = { counter: '_total', histogram: '_seconds', gauge: '' };
    const names = Object.values(METRICS).map(({ kind, name }) => `${name}${suffix[kind]}`);
    const rows = tableRows(readRepositoryFile('docs/how-to/observe.md')).map(([first = '']) => code(first));
    assert.deepEqual(rows.filter((name) => name.startsWith('samflow_')).sort(), names.sort());
  });
});
