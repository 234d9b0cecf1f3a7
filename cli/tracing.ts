import type { WorkflowClientInterceptor } from '@temporalio/client';
import { wantsTraces } from '../contracts/environment.ts';

export interface ClientTracing {
  readonly interceptors: WorkflowClientInterceptor[];
  close(): Promise<void>;
}

/** Where the environment wants traces, whoever starts a workflow begins one; where it does not, nothing is loaded. */
export async function openClientTracing(env: NodeJS.ProcessEnv): Promise<ClientTracing> {
  if (!wantsTraces(env)) return { interceptors: [], close: async () => undefined };
  const { openTracing } = await import('../lib/telemetry/tracing.ts');
  const { OpenTelemetryWorkflowClientInterceptor } = await import('@temporalio/interceptors-opentelemetry');
  const { close } = openTracing('samflow-cli');
  return { interceptors: [new OpenTelemetryWorkflowClientInterceptor()], close };
}
