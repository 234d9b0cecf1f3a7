import { type Attributes, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

/**
 * All that a span may say beside its name and times. Whatever else a library attaches (messages and stacks of errors, memos,
 * reasons, search attributes) does not leave the process: a list of what may be told stays right when libraries change.
 */
const ATTRIBUTES: readonly string[] = [
  'temporalWorkflowId',
  'run_id',
  'temporalActivityId',
  'samflow.stage',
  'samflow.attempt',
  'samflow.shard',
  'samflow.reused',
  'samflow.code',
  'rpc.system',
  'rpc.service',
  'rpc.method',
  'http.response.status_code',
  'http.request.body.size',
  'http.response.body.size',
  'samflow.s3.attempts',
];

/** Somebody looks every second how far a run is: spans of that would bury all others. */
const NOISE = /^(QueryWorkflow|HandleQuery|DescribeWorkflow)\b/;

/** What leaves the process of a span; null where it tells of nothing but watching. */
export function toldSpan(span: ReadableSpan): ReadableSpan | null {
  if (NOISE.test(span.name)) return null;
  const { code } = span.status;
  return {
    ...{ name: span.name, kind: span.kind },
    ...(span.parentSpanId !== undefined && { parentSpanId: span.parentSpanId }),
    ...{ startTime: span.startTime, endTime: span.endTime, duration: span.duration, ended: span.ended },
    spanContext: () => span.spanContext(),
    // The message of an error names what only the log may tell; its code is an attribute.
    status: { code: code === SpanStatusCode.OK ? SpanStatusCode.UNSET : code },
    attributes: pick(span.attributes, ATTRIBUTES),
    ...{ links: [], events: [] },
    resource: span.resource,
    instrumentationLibrary: span.instrumentationLibrary,
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  };
}

const pick = (attributes: Attributes, names: readonly string[]): Attributes =>
  Object.fromEntries(names.flatMap((name) => (name in attributes ? [[name, attributes[name]]] : [])));
