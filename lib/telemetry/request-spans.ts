import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { kindOf, type ObserveRequests } from '../artifacts/requests.ts';

/** A span for each request to an object store, inside of the span of whoever makes it; outside of any span, none. */
export const requestSpans: ObserveRequests = (operation) => {
  if (!trace.getSpan(context.active())) return () => undefined;
  const span = trace.getTracer('samflow').startSpan(`S3.${operation}`, {
    kind: SpanKind.CLIENT,
    attributes: { 'rpc.system': 'aws-api', 'rpc.service': 'S3', 'rpc.method': operation },
  });
  return (outcome) => {
    const { status, attempts, sentBytes, receivedBytes } = outcome;
    span.setAttributes({
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...(sentBytes > 0 && { 'http.request.body.size': sentBytes }),
      ...(receivedBytes > 0 && { 'http.response.body.size': receivedBytes }),
      ...(attempts > 1 && { 'samflow.s3.attempts': attempts }),
    });
    if (kindOf(outcome) === 'error') span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  };
};
