const MINUTE_MS = 60_000;
const UNITS = [
  { name: 'day', ms: 24 * 60 * MINUTE_MS },
  { name: 'hour', ms: 60 * MINUTE_MS },
  { name: 'minute', ms: MINUTE_MS },
] as const;

/** `just now`, `5 minutes ago`, `1 day ago`: short enough for a table, and of no time zone. */
export function age(then: Date, nowMs: number): string {
  const ms = nowMs - then.getTime();
  const unit = UNITS.find((candidate) => ms >= candidate.ms);
  if (!unit) return 'just now';
  const count = Math.floor(ms / unit.ms);
  return `${count} ${unit.name}${count === 1 ? '' : 's'} ago`;
}
