import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, isFault } from '../fault.ts';
import { fetchWithin } from './fetch-within.ts';
import type { Reach } from './reach.ts';

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** First pause between tries; it doubles up to 30 s. Default 500 ms. */
  backOffMs?: number | undefined;
  /** A server that sends nothing for this long counts as gone. Default 30 s. */
  idleMs?: number | undefined;
  /** Which addresses may be asked; default: all. */
  reach?: Reach | undefined;
}

/** What goes wrong with one address, in the words and codes of whoever asks. */
export interface HttpFaults {
  /** The server's answer, and the same again: any status that is neither 2xx nor passing. */
  refused(response: Response): Fault;
  /** Away from https. */
  downgraded(): Fault;
  /** No answer, or none that could be used, after all tries. */
  unreachable(reason: string, cause: unknown): Fault;
  /** An error of the file system as a fault; anything else unchanged. */
  local(error: unknown): unknown;
}

export interface Question {
  url: string;
  headers?: Record<string, string>;
  /** `manual`: a redirection is an answer, not a way to go. Default `follow`. */
  redirect?: 'follow' | 'manual';
  /** Statuses beside 2xx that are answers and no refusals. */
  accept?: readonly number[];
}

export interface Attempt {
  /** GET; resolves when the headers are there. */
  request(question: Question): Promise<Response>;
  /** To be called when bytes arrive: it keeps the attempt alive. */
  progressed(): void;
}

const IDLE_MS = 30_000;
const BACK_OFF_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Tries in a row that bring nothing. One that brings bytes starts the count anew: a bad line is slow, not hopeless. */
const ATTEMPTS = 6;

/** Runs a task until it succeeds. Broken connections, silence, 5xx, 408, 425 and 429 are tried again; faults are not. */
export async function retrying<T>(
  faults: HttpFaults,
  options: RequestOptions,
  task: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; ) {
    options.signal?.throwIfAborted();
    let progress = false;
    const idle = idleTimer(options.idleMs ?? IDLE_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, idle.signal]) : idle.signal;
    try {
      return await task({
        request: (question) => get(question, faults, signal, options.reach),
        progressed() {
          progress = true;
          idle.restart();
        },
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      // A full disk among them: no matter of the network.
      const known = faults.local(error);
      if (isFault(known)) throw known;
      failures = progress ? 1 : failures + 1;
      if (failures >= ATTEMPTS) throw faults.unreachable(reasonOf(error), error);
      await sleep(pauseAfter(error, failures, options.backOffMs ?? BACK_OFF_MS), undefined, options);
    } finally {
      idle.stop();
    }
  }
}

/** A passing refusal: to be repeated, at the time the server names. */
class TryLater extends Error {
  readonly afterMs: number | null;

  constructor(status: number, retryAfter: string | null) {
    super(`HTTP ${status}`);
    this.afterMs = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : null;
  }
}

async function get(
  { url, headers, redirect = 'follow', accept = [] }: Question,
  faults: HttpFaults,
  signal: AbortSignal,
  reach: Reach | undefined,
): Promise<Response> {
  // `identity`: lengths and ranges count the bytes of the file, not of a compressed transfer.
  const asked = { headers: { 'accept-encoding': 'identity', ...headers }, redirect, signal };
  const response = await (reach ? fetchWithin(reach, url, asked) : fetch(url, asked));
  const { status } = response;
  if (response.ok || accept.includes(status) || (redirect === 'manual' && status >= 300 && status < 400)) {
    if (!url.startsWith('https:') || !response.url.startsWith('http:')) return response;
    await response.body?.cancel();
    throw faults.downgraded();
  }
  await response.body?.cancel();
  const passing = status >= 500 || [408, 425, 429].includes(status);
  throw passing ? new TryLater(status, response.headers.get('retry-after')) : faults.refused(response);
}

/** `fetch` says "fetch failed" and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return String(inner);
  return 'code' in inner && typeof inner.code === 'string' ? inner.code : inner.message;
}

function pauseAfter(error: unknown, failures: number, backOffMs: number): number {
  const wanted = error instanceof TryLater ? error.afterMs : null;
  const doubled = backOffMs * 2 ** (failures - 1) * (0.5 + Math.random() / 2);
  return Math.min(wanted ?? doubled, LONGEST_PAUSE_MS);
}

function idleTimer(idleMs: number): { signal: AbortSignal; restart(): void; stop(): void } {
  const controller = new AbortController();
  const silence = () => controller.abort(new Error(`no byte in ${idleMs / 1000} s`));
  const timer = setTimeout(silence, idleMs);
  return {
    signal: controller.signal,
    restart() {
      timer.refresh();
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
