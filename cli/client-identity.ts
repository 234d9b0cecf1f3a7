import { hostname, userInfo } from 'node:os';

/** Who asks, as Temporal keeps it beside a start, a cancellation and a signal: the account of this machine. */
export function clientIdentity(): string {
  return `samflow:${accountName()}@${hostname()}`;
}

/** Containers run accounts that have no name. */
function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'nobody');
  }
}
