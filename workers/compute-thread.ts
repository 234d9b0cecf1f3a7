import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type Tasks, tasks } from '../activities/tasks.ts';
import { type FaultDetails, isFault } from '../lib/fault.ts';
import { movableBuffers } from './movable-buffers.ts';

export interface Job {
  readonly name: keyof Tasks;
  readonly input: unknown;
}

/** A fault loses its class on the way between threads, so it travels as data. */
export type Answer = { readonly value: unknown } | { readonly fault: { code: string; details: FaultDetails } };

/** Runs one task of the library in this thread; byte arrays of the result are moved, not copied. Without a job it has only started. */
export async function runTask(job: Job | null): Promise<unknown> {
  if (!job) return null;
  const { name, input } = job;
  const answer = await answerOf(name, input);
  return move({ [transferableSymbol]: movableBuffers(answer), [valueSymbol]: answer });
}

async function answerOf(name: keyof Tasks, input: unknown): Promise<Answer> {
  try {
    return { value: await (tasks[name] as (input: unknown) => unknown)(input) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { fault: { code: error.code, details: { ...error.details } } };
  }
}
