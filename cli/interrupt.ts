/** Thrown when the user has asked to stop. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** One Ctrl-C can arrive twice: from the terminal, and handed on by npm and the bootstrap. */
const SAME_PRESS_MS = 500;

/**
 * Lets Ctrl-C (or SIGTERM, or a closed terminal) end a command in order. Pressed again, it ends the process at once: what is
 * supervised ends with it all the same.
 */
export function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (performance.now() - first > SAME_PRESS_MS) process.exit(130);
        return;
      }
      first = performance.now();
      controller.abort(new Interrupted(name));
    });
  }
  return controller.signal;
}
