/**
 * The floor of the library: the one error class that a user meets. Every folder may import this file, and it imports nothing.
 *
 * A fault is bad input or bad configuration, not a bug: it names the place, what was found, what was expected and the way out.
 * `code` is stable: scripts, retry rules and the Web UI tell faults apart by it.
 */
export interface FaultDetails {
  /** File, config key or tensor that is at fault; a base name or a key, never a patient's identity. */
  readonly at: string;
  readonly found: string;
  readonly expected: string;
  /** What the user can do about it, as an imperative sentence without the full stop, or a question. */
  readonly fix: string;
}

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: string;
  readonly details: FaultDetails;

  constructor(code: string, details: FaultDetails, options?: { cause?: unknown }) {
    const { at, found, expected, fix } = details;
    const wayOut = fix.endsWith('?') ? fix : `${fix}.`;
    super(`${at}: found ${found}, expected ${expected}. ${wayOut} [${code}]`, options);
    this.code = code;
    this.details = details;
  }
}

/** Recognises a fault across realms (worker threads, bundles), where `instanceof` does not hold. */
export function isFault(error: unknown): error is Fault {
  return error instanceof Error && error.name === 'Fault' && typeof (error as { code?: unknown }).code === 'string';
}
