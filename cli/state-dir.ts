import { resolve } from 'node:path';

/** The folder of servers' data, logs and results; in the working directory unless SAMFLOW_HOME names another. */
export const stateDirOf = (env: NodeJS.ProcessEnv): string => resolve(env.SAMFLOW_HOME ?? '.samflow');
