import { parseArgs } from 'node:util';
import { DeviceConfig } from '../contracts/config.ts';
import type { Device } from '../lib/runtime/session.ts';
import { ENGINE_ROWS, engineRows } from './engine.ts';
import { PARTS, type Part, pipelineRows } from './pipeline.ts';
import { holds, printRows } from './row.ts';
import { SCALE_ROWS, scaleRows } from './scale.ts';

/**
 * `npm run bench [-- demo|overhead|scale|scale/ROW|engine|engine/ROW ...] [--device cpu|cuda:N] [--json]`: measures and prints each figure beside its target;
 * demo and overhead where nothing is named. Exit code 1 where one does not hold (or proves nothing), 2 on a wrong call.
 */
const call = readCall();
const asked = call?.positionals ?? [];
const isPart = (word: string): word is Part => (PARTS as readonly string[]).includes(word);
const engineNames = ENGINE_ROWS.filter((name) => asked.includes('engine') || asked.includes(`engine/${name}`));
const scaleNames = SCALE_ROWS.filter((name) => asked.includes('scale') || asked.includes(`scale/${name}`));
const known = [
  ...[...PARTS, 'engine', ...ENGINE_ROWS.map((name) => `engine/${name}`)],
  ...['scale', ...SCALE_ROWS.map((name) => `scale/${name}`)],
];

if (call && asked.every((word) => known.includes(word)) && DeviceConfig.safeParse(call.values.device).success) {
  const { json, device } = call.values;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const parts = asked.length > 0 ? asked.filter(isPart) : PARTS;
  const rows = [
    ...(parts.length > 0 ? await pipelineRows(parts, say) : []),
    ...(scaleNames.length > 0 ? await scaleRows(scaleNames, say) : []),
    ...(engineNames.length > 0 ? await engineRows(engineNames, device as Device, say) : []),
  ];
  console.log(json ? JSON.stringify(rows.map((row) => ({ ...row, ok: holds(row) }))) : printRows(rows));
  process.exitCode = rows.every(holds) ? 0 : 1;
} else {
  console.error(
    `usage: npm run bench [-- ${PARTS.join('|')}|scale|scale/${SCALE_ROWS.join('|scale/')}|engine|engine/${ENGINE_ROWS.join('|engine/')}] [--device cpu|cuda:N] [--json]`,
  );
  process.exitCode = 2;
}

/** Null where an option is not one of ours. */
function readCall() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, device: { type: 'string', default: 'cpu' } },
    });
  } catch {
    return null;
  }
}
