#!/usr/bin/env node
// The command: refuses a Node that is too old, makes TypeScript loadable where Node does not do so itself, then runs the
// real one.
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeProblem } from '../infra/dev/bootstrap.mjs';

const problem = nodeProblem();
if (problem) {
  process.stderr.write(`samflow: ${problem}\n`);
  process.exit(2);
}
// What tsx has translated it keeps among the temporary files, and it ends where it cannot: then it shall not.
if (!hasTemporaryFiles()) process.env.TSX_DISABLE_CACHE = '1';
if (!process.features.typescript) (await import('tsx/esm/api')).register();
const { main } = await import('./main.ts');

const code = await main(process.argv);
// Stopped by the user: what was under way then, a connection that nobody takes, holds nobody up.
if (code === 130) process.exit(code);
process.exitCode = code;

function hasTemporaryFiles() {
  try {
    rmdirSync(mkdtempSync(join(tmpdir(), 'samflow-')));
    return true;
  } catch {
    return false;
  }
}
