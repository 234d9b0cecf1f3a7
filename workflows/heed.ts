import { ApplicationFailure, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import { FAILURES } from '../contracts/failure-codes.ts';
import type { ControlState } from '../contracts/pipeline.ts';

/** As the configuration has it. */
const MOST_EPOCHS = 10_000;

/**
 * Something that people may ask of a workflow at work: an update, which is refused where `check` throws, and a signal of the same
 * name for the Web UI, which then does nothing.
 */
export function heed<A extends unknown[]>(
  name: string,
  check: (...args: A) => void,
  act: (...args: A) => ControlState,
): void {
  setHandler(defineUpdate<ControlState, A>(name), act, { validator: check });
  setHandler(defineSignal<A>(name), (...args: A) => {
    if (allows(() => check(...args))) act(...args);
  });
}

export function refuseIf(holds: boolean, why: string): void {
  if (holds) throw ApplicationFailure.create({ message: why, type: FAILURES.refused, nonRetryable: true });
}

/** Of an extension to so many epochs in all, before anything else is looked at. */
export function refuseNoEpochs(to: number): void {
  refuseIf(!(Number.isInteger(to) && to <= MOST_EPOCHS), `epochs are a whole number, at most ${MOST_EPOCHS}`);
}

export function refuseFewer(to: number, planned: number): void {
  refuseIf(to <= planned, `${planned} epochs are planned already, and more must be asked for`);
}

function allows(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}
