import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = new URL('../../', import.meta.url);

/**
 * PATH with the checkout's own `.samflow/bin` in front. Service tests keep their state in a temporary SAMFLOW_HOME, whose
 * `bin` is empty: without this, each of them would build the servers' binaries anew, which takes minutes.
 */
export function toolPath(): string {
  return [fileURLToPath(new URL('.samflow/bin', repository)), process.env.PATH ?? ''].filter(Boolean).join(delimiter);
}
