import { parseArgs } from 'node:util';
import { DeviceConfig } from '../contracts/config.ts';
import type { Device } from '../lib/runtime/session.ts';
import { DATA_ROWS, dataRows } from './data.ts';
import { DURABLE_ROWS, type DurableRow, durableRows } from './durable.ts';
import { ENGINE_ROWS, engineRows } from './engine.ts';
import { PARTS, type Part, pipelineRows } from './pipeline.ts';
import { holds, printRows } from './row.ts';
import { SCALE_ROWS, type ScaleRow, scaleRows } from './scale.ts';

/**
 * `npm run bench [-- demo|overhead|durable|durable/ROW|scale|scale/ROW|engine|engine/ROW|data|data/ROW ...] [--device cpu|cuda:N] [--json]`: measures and prints each figure beside its target;
 * demo and overhead where nothing is named. Exit code 1 where one does not hold (or proves nothing), 2 on a wrong call.
 */
const call = readCall();
const asked = call?.positionals ?? [];
const isPart = (word: string): word is Part => (PARTS as readonly string[]).includes(word);
const namesIn = (group: string, rows: readonly string[]) =>
  rows.filter((name) => asked.includes(group) || asked.includes(`${group}/${name}`));
const scaleNames = namesIn('scale', SCALE_ROWS);
const engineNames = namesIn('engine', ENGINE_ROWS);
const dataNames = namesIn('data', DATA_ROWS);
const durableNames = namesIn('durable', DURABLE_ROWS);
const groups = [
  ['durable', DURABLE_ROWS] as const,
  ['scale', SCALE_ROWS] as const,
  ['engine', ENGINE_ROWS] as const,
  ['data', DATA_ROWS] as const,
];
const known = [...PARTS, ...groups.flatMap(([group, rows]) => [group, ...rows.map((name) => `${group}/${name}`)])];

if (call && asked.every((word) => known.includes(word)) && DeviceConfig.safeParse(call.values.device).success) {
  const { json, device } = call.values;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const parts = asked.length > 0 ? asked.filter(isPart) : PARTS;
  const rows = [
    ...(parts.length > 0 ? await pipelineRows(parts, say) : []),
    ...(durableNames.length > 0 ? await durableRows(durableNames as DurableRow[], say) : []),
    ...(scaleNames.length > 0 ? await scaleRows(scaleNames as ScaleRow[], say) : []),
    ...(engineNames.length > 0 ? await engineRows(engineNames, device as Device, say) : []),
    ...(dataNames.length > 0 ? await dataRows(dataNames, say) : []),
  ];
  console.log(json ? JSON.stringify(rows.map((row) => ({ ...row, ok: holds(row) }))) : printRows(rows));
  process.exitCode = rows.every(holds) ? 0 : 1;
} else {
  console.error(`usage: npm run bench [-- ${known.join('|')}] [--device cpu|cuda:N] [--json]`);
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
