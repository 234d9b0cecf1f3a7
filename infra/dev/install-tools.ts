import { fileURLToPath } from 'node:url';
import { isFault } from '../../lib/fault.ts';
import { ensureTool, neededTools } from './tools.ts';

/** Run by `npm test` before the tests: whatever they need is there before the first one starts its clock. */
const stateDir = fileURLToPath(new URL('../../.samflow', import.meta.url));
try {
  for (const name of neededTools()) await ensureTool(name, { stateDir });
} catch (error) {
  if (!isFault(error)) throw error;
  console.error(`samflow: ${error.message}`);
  process.exitCode = 1;
}
