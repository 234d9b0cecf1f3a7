import { fileURLToPath } from 'node:url';
import { type RunOptions, runCommand } from './run.ts';

const CONFIG = fileURLToPath(new URL('../../examples/phantom.yaml', import.meta.url));

/** `samflow demo`: the whole pipeline on a generated chest phantom, with the model that comes with samflow. */
export const demoCommand = (options: RunOptions): Promise<number> => runCommand(CONFIG, options);
