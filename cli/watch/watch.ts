import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import type { Platform } from '../dev/platform.ts';
import { GRPC, grpcStatus } from '../to-fault.ts';
import { renderLive, renderPlain } from './render.ts';
import { isOutage, type Snapshot, takeSnapshot } from './snapshot.ts';

const EVERY_MS = 500;
const RETRY_MS = 1_000;

/** Where progress is shown. */
export interface Screen {
  show(before: Snapshot | null, now: Snapshot): void;
  say(line: string): void;
  /** Leaves what stands. */
  done(): void;
}

/** A live picture on a terminal, lines elsewhere. */
export function openScreen(stream: NodeJS.WriteStream): Screen {
  // A terminal without a height (some build systems have one) would show nothing of a live view.
  if (!stream.isTTY || !stream.rows) {
    const say = (line: string): void => void stream.write(`${line}\n`);
    return {
      say,
      show: (before, now) => {
        for (const line of renderPlain(before, now)) say(line);
      },
      done: () => undefined,
    };
  }
  const update = createLogUpdate(stream);
  return {
    show: (_, now) => update(renderLive(now, Date.now(), stream.columns)),
    say: (line) => update.persist(line),
    done: () => update.done(),
  };
}

/**
 * Follows a run to its end, whatever happens to the server meanwhile: the run does not depend on anybody watching it.
 * @throws the signal's reason when it aborts
 */
export async function watchRun(
  platform: Platform,
  run: string,
  screen: Screen,
  signal: AbortSignal,
): Promise<Snapshot> {
  let last: Snapshot | null = null;
  let lost = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      const now = await look(platform, run, last, signal);
      if (lost) screen.say('Temporal answers again');
      lost = false;
      screen.show(last, now);
      last = now;
      if (now.status !== 'RUNNING') {
        screen.done();
        return now;
      }
    } catch (error) {
      // Whatever failed meanwhile: the reason to stop is the one to tell.
      signal.throwIfAborted();
      if (!(isOutage(error) || isDeadline(error))) throw error;
      if (!lost) screen.say(`Temporal at ${platform.temporalAddress} does not answer; the run goes on when it does`);
      lost = true;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** A snapshot whose calls end when the signal aborts: none may be under way when the connection is closed. */
async function look(platform: Platform, run: string, last: Snapshot | null, signal: AbortSignal): Promise<Snapshot> {
  // Of its own, for the client never takes its listeners off again, and a run is looked at for days.
  const calls = new AbortController();
  const cancel = (): void => calls.abort();
  signal.addEventListener('abort', cancel);
  try {
    return await platform.client.withAbortSignal(calls.signal, () => takeSnapshot(platform, run, last));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

const isDeadline = (error: unknown): boolean => grpcStatus(error)?.code === GRPC.deadlineExceeded;
