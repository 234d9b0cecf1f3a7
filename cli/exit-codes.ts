/** What the process says to scripts. */
export const EXIT = {
  ok: 0,
  /** The run failed, or a server did. */
  failed: 1,
  /** A command line, configuration or file that cannot be used; nothing was started. */
  usage: 2,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;
