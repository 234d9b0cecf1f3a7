import Table from 'cli-table3';
import pc from 'picocolors';
import { tableStyle } from '../table-style.ts';
import type { Proof } from './prove.ts';

/** The proof as a table, with what it rests on. */
export function renderProof({ seed, untouched, killed, made, missed, violations }: Proof): string {
  const table = new Table({ head: ['', 'untouched', 'killed', ''], ...tableStyle() });
  for (const [what, digest] of Object.entries(untouched.digests)) {
    const other = killed.digests[what] ?? '';
    table.push([
      what,
      digest.slice(0, 16),
      other.slice(0, 16),
      digest === other ? pc.green('same') : pc.red('differs'),
    ]);
  }
  const count = (signal: string): number => made.filter((one) => one.signal === signal).length;
  return [
    table.toString(),
    `${count('SIGKILL')} kills and ${count('SIGTERM')} orders to end${missed > 0 ? `, ${missed} more were due after its end` : ''}; ` +
      `${stagesText(made)}; seed ${seed}.`,
    `${killed.chain.length} checkpoints of ${killed.steps} steps, each naming the one before it by its digest, by ${attempts(killed)} attempts.`,
    violations.length === 0
      ? pc.green('Everything that both runs made is the same, bit by bit.')
      : violations.map((sentence) => pc.red(`✗ ${sentence}`)).join('\n'),
  ].join('\n');
}

const attempts = ({ chain }: Proof['killed']): number => new Set(chain.map(({ fence }) => fence)).size;

function stagesText(made: Proof['made']): string {
  const counts = new Map<string, number>();
  for (const { stage } of made) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  return [...counts].map(([stage, count]) => `${count} in ${stage}`).join(', ');
}

/** The proof for scripts. */
export function proofJson({ seed, untouched, killed, made, missed, violations }: Proof): string {
  const digests = Object.entries(untouched.digests).map(([what, digest]) => ({
    what,
    untouched: digest,
    killed: killed.digests[what] ?? null,
  }));
  return JSON.stringify({
    seed,
    proved: violations.length === 0,
    kills: made,
    missed,
    steps: killed.steps,
    digests,
    violations,
  });
}
