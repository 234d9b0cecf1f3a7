import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { DeviceConfig } from '../contracts/config.ts';
import { isFault } from '../lib/fault.ts';
import type { Device } from '../lib/runtime/session.ts';
import { checkParity } from './parity-checks.ts';

const USAGE = 'usage: npm run -s parity -- FOLDER [--device cpu|cuda:N|webgpu] [--json]';

/** Exit code 0 where all holds, 1 where a row falls short, 2 on bad usage. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    ...{ args: [...args], allowPositionals: true },
    options: { json: { type: 'boolean', default: false }, device: { type: 'string', default: 'cpu' } },
  });
  const { json, device } = values;
  if (positionals.length !== 1 || !DeviceConfig.safeParse(device).success) {
    console.error(USAGE);
    return 2;
  }
  const rows = await checkParity(positionals[0]!, { threads: 2, device: device as Device });
  const holds = (row: (typeof rows)[number]) => row.difference <= row.tolerance;
  if (json)
    console.log(JSON.stringify({ ok: rows.every(holds), rows: rows.map((row) => ({ ...row, ok: holds(row) })) }));
  else {
    const table = new Table({
      head: ['output', 'worst difference', 'tolerance', ''],
      style: { head: [], border: [], compact: true },
    });
    for (const row of rows)
      table.push([
        row.output,
        row.difference.toExponential(2),
        row.tolerance.toExponential(0),
        holds(row) ? 'ok' : 'FALLS SHORT',
      ]);
    console.log(table.toString());
  }
  return rows.every(holds) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(isFault(error) ? error.message : error);
  process.exitCode = 2;
}
