import { ENGINE_ROWS, engineRows } from './engine.ts';
import { PARTS, type Part, pipelineRows } from './pipeline.ts';
import { holds, printRows } from './row.ts';

/**
 * `npm run bench [-- demo|overhead|engine|engine/ROW ...] [--json]`: measures and prints each figure beside its target;
 * demo and overhead where nothing is named. Exit code 1 where one does not hold (or proves nothing), 2 on a wrong call.
 */
const json = process.argv.includes('--json');
const asked = process.argv.slice(2).filter((argument) => argument !== '--json');
const isPart = (word: string): word is Part => (PARTS as readonly string[]).includes(word);
const engineNames = ENGINE_ROWS.filter((name) => asked.includes('engine') || asked.includes(`engine/${name}`));
const known = [...PARTS, 'engine', ...ENGINE_ROWS.map((name) => `engine/${name}`)];

if (asked.every((word) => known.includes(word))) {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const parts = asked.length > 0 ? asked.filter(isPart) : PARTS;
  const rows = [
    ...(parts.length > 0 ? await pipelineRows(parts, say) : []),
    ...(engineNames.length > 0 ? await engineRows(engineNames, say) : []),
  ];
  console.log(json ? JSON.stringify(rows.map((row) => ({ ...row, ok: holds(row) }))) : printRows(rows));
  process.exitCode = rows.every(holds) ? 0 : 1;
} else {
  console.error(`usage: npm run bench [-- ${PARTS.join('|')}|engine|engine/${ENGINE_ROWS.join('|engine/')}] [--json]`);
  process.exitCode = 2;
}
