import { createRequire } from 'node:module';
import { trace } from '@opentelemetry/api';
import { ApplicationFailure } from '@temporalio/common';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { ActivityInterceptorsFactory, WorkerOptions } from '@temporalio/worker';
import type { ObserveRequests } from '../lib/artifacts/requests.ts';
import { requestSpans } from '../lib/telemetry/request-spans.ts';
import { openTracing, type Tracing } from '../lib/telemetry/tracing.ts';
import { subjectOf } from './activity-subject.ts';
import { stageOf } from './stage-names.ts';

/** Runs in the workflows' bundle. */
export const WORKFLOW_MODULE = createRequire(import.meta.url).resolve(
  '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors',
);

/** What workers add where traces are wanted. */
export interface WorkerTracing {
  readonly activity: readonly ActivityInterceptorsFactory[];
  /** Of a worker that runs workflows. */
  readonly workflows: Pick<WorkerOptions, 'sinks' | 'interceptors'>;
  /** Of the client that activities signal their workflow with. */
  readonly client: OpenTelemetryWorkflowClientInterceptor;
  readonly requests: ObserveRequests;
  close(): Promise<void>;
}

export function openWorkerTracing(pools: readonly string[]): WorkerTracing {
  return tracingOf(openTracing('samflow-worker', { 'samflow.pool': pools.join(',') }));
}

const tracingOf = ({ processor, resource, close }: Tracing): WorkerTracing => ({
  activity: [
    (context) => ({
      inbound: new OpenTelemetryActivityInboundInterceptor(context),
      outbound: new OpenTelemetryActivityOutboundInterceptor(context),
    }),
    tellStage,
  ],
  workflows: {
    interceptors: { workflowModules: [WORKFLOW_MODULE] },
    sinks: { exporter: makeWorkflowExporter(processor, resource) },
  },
  client: new OpenTelemetryWorkflowClientInterceptor(),
  requests: requestSpans,
  close,
});

/** Says on an activity's span which work it was, and how it ended. Not whose: collectors are other people's. */
const tellStage: ActivityInterceptorsFactory = ({ info }) => ({
  inbound: {
    async execute(input, next) {
      const span = trace.getActiveSpan();
      const { shard } = subjectOf(input.args[0]);
      span?.setAttributes({
        ...{ 'samflow.stage': stageOf(info.activityType), 'samflow.attempt': info.attempt },
        ...(shard !== undefined && { 'samflow.shard': shard }),
      });
      try {
        const result = await next(input);
        const { reused } = (result ?? {}) as { reused?: unknown };
        if (typeof reused === 'boolean') span?.setAttribute('samflow.reused', reused);
        return result;
      } catch (error) {
        if (error instanceof ApplicationFailure && error.type) span?.setAttribute('samflow.code', error.type);
        throw error;
      }
    },
  },
});
