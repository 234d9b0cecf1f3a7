import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { wantsTraces } from '../../../contracts/environment.ts';
import { requestSpans } from '../../../lib/telemetry/request-spans.ts';
import { openTracing, type Tracing } from '../../../lib/telemetry/tracing.ts';
import { Collector } from '../../helpers/collector.ts';

describe('the traces of a process', () => {
  let collector: Collector;
  let tracing: Tracing;
  before(async () => {
    collector = await Collector.open();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.address;
    tracing = openTracing('samflow-test', { 'samflow.pool': 'gpu' });
  });
  after(async () => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    await tracing.close();
    await collector.close();
  });

  it('tell of a span its name, times, outcome and the attributes of the list, and nothing else', async () => {
    const tracer = trace.getTracer('test');
    tracer.startActiveSpan('RunActivity:convert', (span) => {
      span.setAttributes({
        'samflow.stage': 'convert',
        temporalWorkflowId: 'run-1',
        temporalTerminateReason: 'Doe^John',
      });
      span.setStatus({ code: SpanStatusCode.ERROR, message: '/scans/Doe_John/ct.nii cannot be read' });
      span.recordException(new Error('Doe^John'));
      span.addLink({ context: span.spanContext(), attributes: { name: 'Doe^John' } });
      requestSpans('PutObject')({ status: 200, attempts: 2, sentBytes: 5, receivedBytes: 0 });
      requestSpans('GetObject')({ attempts: 4, sentBytes: 0, receivedBytes: 0 });
      span.end();
    });
    tracer.startSpan('QueryWorkflow:progress').end();
    await tracing.processor.forceFlush();
    const [put, get, stage] = ['S3.PutObject', 'S3.GetObject', 'RunActivity:convert'].map((name) =>
      collector.span(name),
    );
    assert.equal(collector.spans.length, 3);
    assert.deepEqual(stage?.attributes, { 'samflow.stage': 'convert', temporalWorkflowId: 'run-1' });
    assert.deepEqual(stage?.status, { code: SpanStatusCode.ERROR });
    assert.deepEqual(put?.attributes, {
      ...{ 'rpc.system': 'aws-api', 'rpc.service': 'S3', 'rpc.method': 'PutObject', 'http.response.status_code': 200 },
      ...{ 'http.request.body.size': 5, 'samflow.s3.attempts': 2 },
    });
    assert.equal(get?.status.code, SpanStatusCode.ERROR);
    assert.equal(put?.parentSpanId, stage?.spanId);
    assert.equal(put?.traceId, stage?.traceId);
    assert.doesNotMatch(collector.bodies.join('\n'), /doe|john|exception/i);
  });

  it('say which program and pool they come from', () => {
    const { 'telemetry.sdk.version': sdk, 'service.version': version, ...resource } = collector.resource!;
    assert.match(`${sdk} ${version}`, /^\d+\.\d+\.\d+ \d+\.\d+\.\d+$/);
    assert.deepEqual(resource, {
      ...{ 'service.name': 'samflow-test', 'samflow.pool': 'gpu' },
      ...{ 'telemetry.sdk.language': 'nodejs', 'telemetry.sdk.name': 'opentelemetry' },
    });
  });

  it('hold no request that nobody’s span surrounds', async () => {
    const before = collector.spans.length;
    context.with(trace.deleteSpan(context.active()), () => {
      requestSpans('HeadBucket')({ status: 200, attempts: 1, sentBytes: 0, receivedBytes: 0 });
    });
    await tracing.processor.forceFlush();
    assert.equal(collector.spans.length, before);
  });
});

describe('traces', () => {
  it('are wanted where OpenTelemetry’s own variables name a collector', () => {
    assert.equal(wantsTraces({}), false);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), false);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }), true);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/v1/traces' }), true);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' }), false);
  });
});
