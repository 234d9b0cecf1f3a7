import assert from 'node:assert/strict';
import { Fault } from '../../lib/fault.ts';

/** The call must throw a Fault with this code, whose message is one sentence-like line and, if given, matches. */
export function assertFault(call: () => unknown, code: string, message = /./): void {
  assert.throws(call, (error) => isFaultWith(error, code, message));
}

export async function assertRejectsWithFault(promise: Promise<unknown>, code: string, message = /./): Promise<void> {
  await assert.rejects(promise, (error) => isFaultWith(error, code, message));
}

function isFaultWith(error: unknown, code: string, message: RegExp): true {
  assert.ok(error instanceof Fault, `not a Fault: ${error instanceof Error ? error.stack : String(error)}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /\n/);
  return true;
}
