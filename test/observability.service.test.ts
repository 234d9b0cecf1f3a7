import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { type ClientTracing, openClientTracing } from '../cli/tracing.ts';
import { METRICS } from '../workers/metric-table.ts';
import { WORKFLOW_MODULE } from '../workers/tracing.ts';
import { type CollectedSpan, Collector } from './helpers/collector.ts';
import { withoutTools } from './helpers/dev-servers.ts';
import { type Bucket, Installation, smallRun } from './helpers/installation.ts';
import { type Sample, scrape, sumOf } from './helpers/scrape.ts';
import { readRepositoryFile } from './helpers/source-tree.ts';

const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
const PATIENT_KEY = /p-[0-9a-f]{12}/;

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

/** The metrics of an expression, with the labels that it selects by. */
const selectorsOf = (expression: string): { name: string; labels: string[] }[] =>
  [...expression.matchAll(/\b((?:samflow|temporal)_\w+)(?:\{([^}]*)\})?/g)].map(([, name, labels = '']) => ({
    name: name!,
    labels: [...labels.matchAll(/(\w+)=/g)].map((match) => match[1]!),
  }));

describe('an installation that is watched', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let collector: Collector;
  let tracing: ClientTracing;
  let installation: Installation;
  let bucket: Bucket;
  let samples: Sample[];
  /** What the run failed with whose files are not where it says. */
  let code: string;
  let lines: Record<string, unknown>[];
  let history: Parameters<typeof Worker.runReplayHistory>[1];
  before(
    async () => {
      collector = await Collector.open();
      process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.address;
      tracing = await openClientTracing(process.env);
      installation = await Installation.open({ interceptors: tracing.interceptors });
      bucket = installation.bucket('watched');
      const ports = [await freePort(), await freePort()];
      const watched = (port: number) => ({
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.address, OTEL_BSP_SCHEDULE_DELAY: '200' },
        ...{ SAMFLOW_METRICS: String(port), SAMFLOW_LOG_LEVEL: 'debug' },
      });
      await Promise.all([
        installation.startWorker('io,cpu', bucket, watched(ports[0]!)),
        installation.startWorker('gpu', bucket, watched(ports[1]!)),
      ]);
      const start = (id: string) => installation.startRun(id, smallRun(id, { epochs: 2 }), bucket);
      await installation.whileWorking((await start('watched')).result());
      await installation.whileWorking((await start('watched-again')).result());
      const cancelled = await start('watched-cancelled');
      await cancelled.cancel();
      await assert.rejects(installation.whileWorking(cancelled.result()), WorkflowFailedError);
      const { dataset, ...config } = smallRun('watched-failed');
      const pattern = { image: 'nowhere/IMG_{patient}.nii.gz', mask: 'nowhere/MASK_{patient}.nii.gz' };
      const failed = await installation.startRun(
        'watched-failed',
        { ...config, dataset: { ...dataset, pattern } },
        bucket,
      );
      await assert.rejects(installation.whileWorking(failed.result()), (error) => {
        assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure);
        code = error.cause.type!;
        return true;
      });
      history = await installation.client.workflow.getHandle('watched').fetchHistory();
      samples = (await Promise.all(ports.map((port) => scrape(`127.0.0.1:${port}`)))).flatMap((told) => told.samples);
      await installation.stopWorkers();
      await tracing.close();
      lines = (await installation.logs())
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    },
    { timeout: 280_000 },
  );
  after(async () => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    await installation?.close();
    await collector?.close();
  });

  it('has one trace for a run, from the client through workflows and activities to S3', () => {
    const begun = collector.spans.filter(({ name }) => name === 'StartWorkflow:pipelineWorkflow');
    const root = begun.find(({ attributes }) => attributes.temporalWorkflowId === 'watched')!;
    assert.equal(root.service, 'samflow-cli');
    const spans = collector.spans.filter(({ traceId }) => traceId === root.traceId);
    const known = new Map(spans.map((span) => [span.spanId, span]));
    assert.deepEqual(
      spans.filter(({ parentSpanId }) => !known.has(parentSpanId ?? '')),
      [root],
      'every other span has its parent in the trace',
    );
    const pathOf = (span: CollectedSpan): string[] => {
      const parent = known.get(span.parentSpanId ?? '');
      return [...(parent ? pathOf(parent) : []), span.name];
    };
    const embeddings = spans
      .filter(({ name }) => name === 'S3.PutObject')
      .map((span) => pathOf(span))
      .find((path) => path.includes('RunActivity:encodeShard'));
    assert.deepEqual(embeddings, [
      ...['StartWorkflow:pipelineWorkflow', 'RunWorkflow:pipelineWorkflow'],
      ...['StartChildWorkflow:encodeWorkflow', 'RunWorkflow:encodeWorkflow'],
      ...['StartActivity:encodeShard', 'RunActivity:encodeShard', 'S3.PutObject'],
    ]);
    assert.ok(spans.some(({ attributes }) => /^[0-9a-f]{8}:0-\d+$/.test(String(attributes['samflow.shard']))));
  });

  it('tells collectors of a failure its code, and of nobody a key or a path', () => {
    const codes = collector.spans.map(({ attributes }) => attributes['samflow.code']);
    assert.ok(codes.includes(code), codes.filter(Boolean).join());
    const sent = collector.bodies.join('\n');
    assert.doesNotMatch(sent, PATIENT_KEY);
    assert.doesNotMatch(sent, /nowhere|cas\/sha256|IMG_|exception|\.nii/);
    assert.ok(collector.spans.every(({ name }) => !/Query|Describe/.test(name)));
  });

  it('can have its traces turned off while runs are open, and on again', async () => {
    for (const workflowInterceptorModules of [[], [WORKFLOW_MODULE]]) {
      const logger = new DefaultLogger('ERROR');
      const workflowBundle = await bundleWorkflowCode({
        ...{ workflowsPath: WORKFLOWS, logger, workflowInterceptorModules },
      });
      await Worker.runReplayHistory({ workflowBundle }, history, 'watched');
    }
  });

  it('counts stages, cache, slices, steps, requests and bytes', () => {
    const stages = (stage: string, outcome: string) =>
      sumOf(samples, 'samflow_stage_seconds_count', { stage, outcome });
    assert.deepEqual([stages('convert', 'computed'), stages('convert', 'reused')], [3, 3]);
    assert.deepEqual([stages('fine-tune', 'computed'), stages('fine-tune', 'reused')], [1, 1]);
    assert.equal(sumOf(samples, 'samflow_cache_lookups_total', { stage: 'fine-tune', result: 'hit' }), 1);
    assert.equal(sumOf(samples, 'samflow_cache_lookups_total', { stage: 'fine-tune', result: 'miss' }), 1);
    const steps = sumOf(samples, 'samflow_training_steps_total');
    assert.ok(steps > 1);
    assert.equal(sumOf(samples, 'samflow_training_step_seconds_count'), steps - 1);
    assert.ok(sumOf(samples, 'samflow_slices_encoded_total', { pool: 'gpu' }) > 0);
    assert.ok(sumOf(samples, 'samflow_training_loss', { run: 'watched' }) > 0);
    const dice = sumOf(samples, 'samflow_validation_dice', { run: 'watched' });
    assert.ok(dice > 0 && dice <= 1);
    for (const direction of ['sent', 'received']) {
      assert.ok(sumOf(samples, 'samflow_s3_bytes_total', { direction }) > 1e6, direction);
    }
    assert.equal(sumOf(samples, 'samflow_stage_failures_total', { code }), 1);
    const queues = samples
      .filter(({ name }) => name === 'samflow_queue_backlog_tasks')
      .map(({ labels }) => labels.queue);
    assert.deepEqual(queues.sort(), ['samflow-cpu', 'samflow-gpu', 'samflow-io', 'samflow-workflow']);
    assert.ok(
      sumOf(samples, 'temporal_activity_schedule_to_start_latency_seconds_count', { task_queue: 'samflow-gpu' }) > 0,
    );
  });

  it('has no patient’s key and no path in a label', () => {
    for (const { name, labels } of samples) {
      for (const value of Object.values(labels)) {
        assert.doesNotMatch(value, PATIENT_KEY, name);
        assert.doesNotMatch(value, /\/|\.nii|[0-9a-f]{16}/, name);
      }
    }
  });

  it('has every metric and label that the dashboard asks for', () => {
    const { panels } = JSON.parse(readRepositoryFile('infra/observability/dashboards/samflow.json')) as Dashboard;
    const selectors = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => selectorsOf(expr)));
    assert.ok(selectors.length > 20);
    // Told only when a server has failed us, which it does not do here.
    const retries = `${METRICS.retries.name}_total`;
    const missing = selectors.flatMap(({ name, labels }) => {
      const told = samples.filter((sample) => sample.name === name);
      if (told.length === 0) return name === retries ? [] : [name];
      return labels
        .filter((label) => !told.some((sample) => label in sample.labels))
        .map((label) => `${name}: ${label}`);
    });
    assert.deepEqual([...new Set(missing)], []);
  });

  it('logs run, stage and whose data, a failure by its code, and only what may be told', () => {
    const completed = lines.filter(({ message }) => message === 'done');
    const converted = completed.find(({ stage, run }) => stage === 'convert' && run === 'watched');
    assert.match(String(converted?.patient), PATIENT_KEY);
    assert.equal(converted?.reused, false);
    assert.equal(converted?.trace, collector.span('RunActivity:convert')?.traceId);
    const encoded = completed.find(({ stage }) => stage === 'encode');
    assert.equal(encoded?.run, 'watched/encode');
    assert.match(String(encoded?.shard), /^[0-9a-f]{8}:\d+-\d+$/);
    const failed = lines.filter(({ message }) => message === 'Activity failed' || message === 'Workflow failed');
    const of = failed.filter(({ run }) => run === 'watched-failed').map((line) => `${line.workflow} ${line.code}`);
    assert.ok(of.length >= 2 && of.every((text) => text === `pipelineWorkflow ${code}`), of.join());
    const told = [
      ...['level', 'time', 'pools', 'pid', 'message', 'run', 'stage', 'patient', 'shard', 'attempt', 'workflow'],
      ...[
        'execution',
        'queue',
        'namespace',
        'durationMs',
        'reused',
        'signal',
        'reason',
        'frames',
        'code',
        'cause',
        'trace',
      ],
      ...['metrics', 'traces'],
    ];
    const others = lines.flatMap((line) => Object.keys(line).filter((name) => !told.includes(name)));
    assert.deepEqual([...new Set(others)], []);
  });
});
