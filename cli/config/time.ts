import { Fault } from '../../lib/fault.ts';

const MINUTE_MS = 60_000;
const UNITS = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 24 * 60 * MINUTE_MS } as const;

/** `30m`, `6h`, `1d` in milliseconds, at least a minute. `at` is the option, e.g. `--every`. */
export function parseTime(at: string, text: string): number {
  const match = /^(\d+)(m|h|d)$/.exec(text);
  const milliseconds = Number(match?.[1]) * UNITS[match?.[2] as keyof typeof UNITS];
  if (milliseconds >= MINUTE_MS) return milliseconds;
  const fix = `Write e.g. ${at} 30m, ${at} 6h or ${at} 1d`;
  throw new Fault('USAGE', { at, found: `\`${text}\``, expected: 'a number with m, h or d', fix });
}
