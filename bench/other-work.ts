import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Processor seconds up to now: of all processes, of which some are ours, and of all that the processors could do. */
export interface Usage {
  readonly busy: number;
  readonly total: number;
  readonly ours: number;
}

/**
 * Gives, call by call, the share of the machine's processors (0..1) that processes other than this one and `child` took
 * since the last call. Where the system does not tell (no /proc), a child counts as other work.
 */
export function otherWork(child: number | null): () => number {
  const read = (): Usage => ({ ...machineSeconds(), ours: ownSeconds() + childSeconds(child) });
  let last = read();
  return () => {
    const now = read();
    const share = shareBetween(last, now);
    last = now;
    return share;
  };
}

/** What is not ours of all that could be done between two looks. Clocks tick coarsely, so it may seem less than nothing. */
export function shareBetween(first: Usage, second: Usage): number {
  const since = (key: keyof Usage) => second[key] - first[key];
  return since('total') > 0 ? Math.max(0, since('busy') - since('ours')) / since('total') : 0;
}

/** Processor seconds since the machine started. */
function machineSeconds(): { busy: number; total: number } {
  let [busy, total] = [0, 0];
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used / 1000;
    total += (used + times.idle) / 1000;
  }
  return { busy, total };
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Of a running process, in hundredths as Linux shows them. */
function childSeconds(pid: number | null): number {
  if (pid === null) return 0;
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
