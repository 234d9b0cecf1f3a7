import { readFileSync } from 'node:fs';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { toldSpan } from './told-span.ts';

export interface Tracing {
  readonly resource: Resource;
  /** Takes spans that other tracers have ended. */
  readonly processor: SpanProcessor;
  /** Sends what is left. A collector that does not answer costs a few seconds and no error. */
  close(): Promise<void>;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const CLOSE_MS = 5_000;

/**
 * Makes this process's tracer, once: spans go to a collector by OTLP over HTTP, as JSON, under the names and values that
 * `toldSpan` lets through. Endpoint, headers, time-out and sampling come from OpenTelemetry's own environment variables, which the
 * exporter and the provider read.
 */
export function openTracing(service: string, attributes: Record<string, string> = {}): Tracing {
  const resource = new Resource({ 'service.name': service, 'service.version': version, ...attributes });
  const processor = new ToldSpans(new BatchSpanProcessor(new OTLPTraceExporter()));
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  provider.register({ contextManager: new AsyncLocalStorageContextManager().enable() });
  return {
    resource: provider.resource,
    processor,
    async close() {
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), timeout]);
    },
  };
}

/** Hands on what may be told of a span, and only when it has ended. */
class ToldSpans implements SpanProcessor {
  readonly #next: SpanProcessor;

  constructor(next: SpanProcessor) {
    this.#next = next;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    const told = toldSpan(span);
    if (told) this.#next.onEnd(told);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
