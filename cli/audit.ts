import type { WorkflowHandle } from '@temporalio/client';
import type { Deletion } from '../contracts/deletion.ts';
import type { Champion } from '../contracts/stages.ts';

/** Something that somebody had a workflow do. */
export interface AuditLine {
  /** ISO 8601. */
  readonly time: string;
  readonly workflow: string;
  readonly run: string;
  readonly type: string;
  /** `start`, `cancel`, `terminate`, `signal NAME` or `update NAME`; of a model `promote NAME`. */
  readonly action: string;
  /** As the client named itself: the CLI by account and machine. Not proven; the server's own log has who was authenticated. */
  readonly identity: string;
}

/** What somebody had deleted: runs, or a patient by pseudonym, and the runs that had learned from it where these went too. */
export interface DeletionLine extends Pick<Deletion, 'time' | 'runs' | 'patient' | 'state' | 'objects' | 'bytes'> {
  readonly action: 'delete' | 'gc';
  readonly identity: string;
}

export const auditOfDeletion = ({ by, pending, ...deletion }: Deletion): DeletionLine => ({
  ...deletion,
  action: deletion.runs.length === 0 && deletion.patient === null ? 'gc' : 'delete',
  identity: by,
});

type Event = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];

/** Who had a workflow do what, in order. Of what was given with it nothing is told. */
export function auditOf(
  workflow: Pick<AuditLine, 'workflow' | 'run' | 'type'>,
  events: readonly Event[],
): readonly AuditLine[] {
  return events.flatMap((event) => {
    const done = actionIn(event);
    return done ? [{ time: timeOf(event), ...workflow, ...done }] : [];
  });
}

/** Who has made a schedule: it keeps that itself, and no more of what is done with it. */
export const scheduleLine = (schedule: string, createdAt: Date, author: unknown): AuditLine => ({
  ...{ time: createdAt.toISOString(), workflow: schedule, run: '', type: 'schedule' },
  ...{ action: 'create', identity: typeof author === 'string' ? author : '' },
});

/** Who has said yes to a model: kept in the store, for no workflow was asked. */
export const promotionLine = (name: string, { run, promotion }: Champion): AuditLine => ({
  ...{ time: promotion?.at ?? '', workflow: run, run: '', type: 'model' },
  ...{ action: `promote ${name}`, identity: promotion?.by ?? '' },
});

function actionIn(event: Event): Pick<AuditLine, 'action' | 'identity'> | null {
  const started = event.workflowExecutionStartedEventAttributes;
  if (started) return { action: 'start', identity: started.identity ?? '' };
  const cancelled = event.workflowExecutionCancelRequestedEventAttributes;
  if (cancelled) return { action: 'cancel', identity: cancelled.identity ?? '' };
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) return { action: 'terminate', identity: terminated.identity ?? '' };
  const signalled = event.workflowExecutionSignaledEventAttributes;
  if (signalled) return { action: `signal ${signalled.signalName}`, identity: signalled.identity ?? '' };
  const request = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
  return request ? { action: `update ${request.input?.name}`, identity: request.meta?.identity ?? '' } : null;
}

function timeOf({ eventTime }: Event): string {
  const milliseconds = Number(eventTime?.seconds ?? 0) * 1000 + Math.floor((eventTime?.nanos ?? 0) / 1e6);
  return new Date(milliseconds).toISOString();
}
