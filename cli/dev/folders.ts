import { join, resolve } from 'node:path';

/** The folder of servers' data, logs and results; in the working directory unless SAMFLOW_HOME names another. */
export const stateDirOf = (env: NodeJS.ProcessEnv): string => resolve(env.SAMFLOW_HOME ?? '.samflow');

/** The folder of downloads and generated archives: that of the workers that the CLI starts. */
export const cacheDirOf = (env: NodeJS.ProcessEnv): string => env.SAMFLOW_CACHE ?? join(stateDirOf(env), 'cache');
