import { Fault } from '../lib/fault.ts';
import type { Execution } from './executions.ts';
import type { OpenWork } from './open-work.ts';

/** @throws Fault RUN_AT_WORK */
export function requireEnded(executions: readonly Execution[]): void {
  const open = executions.find(({ isOpen }) => isOpen);
  if (!open) return;
  throw new Fault('RUN_AT_WORK', {
    at: open.workflowId,
    found: 'a run at work',
    expected: 'one that has ended',
    fix: `Wait for it, or end it with \`samflow cancel ${open.workflowId.split('/', 1)[0]}\``,
  });
}

export const inUse = (run: string, by: string, fix: string): Fault =>
  new Fault('RUN_IN_USE', {
    at: run,
    found: `a run that ${by} refers to`,
    expected: 'one that nothing refers to',
    fix,
  });

export const patientUnknown = (patient: string): Fault =>
  new Fault('PATIENT_UNKNOWN', {
    at: '--patient',
    found: `nothing of ${patient} in the store`,
    expected: 'the id of a patient as the configuration has it, or a pseudonym',
    fix: 'Check the id, and that SAMFLOW_PATIENT_KEY is that of the io workers',
  });

/** `holder`: null where it came while the rest was deleted. */
export function patientAtWork(patient: string, holder: OpenWork | null): Fault {
  const schedule = holder?.is === 'schedule';
  const name = holder?.id.replace(/^retrain-/, '');
  return new Fault('PATIENT_AT_WORK', {
    at: patient,
    found: holder
      ? `${holder.is} ${holder.id} at work on this patient`
      : 'work on this patient that has begun meanwhile',
    expected: 'no open work on the patient',
    fix: schedule
      ? `Delete it with \`samflow schedule delete ${name}\`, take the patient out of the configuration, and create it again`
      : holder
        ? `End it with \`samflow cancel ${holder.id.split('/', 1)[0]}\`, and give the command again`
        : 'End it with `samflow cancel`, and give the command again',
  });
}
