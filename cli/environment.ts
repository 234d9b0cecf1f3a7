import type { z } from 'zod';
import { expectedOf } from '../contracts/environment.ts';
import { Fault } from '../lib/fault.ts';

/** Reads some variables of the environment. @throws Fault CONFIG naming the variable, never its value */
export function readEnvironment<S extends z.ZodType>(schema: S, env: NodeJS.ProcessEnv): z.output<S> {
  // An empty variable is one that somebody left out in a compose file.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const fix = 'Set it as the workers have it';
  const details = { found: 'a value that cannot be used', expected: expectedOf(issue), fix };
  throw new Fault('CONFIG', { at: String(issue.path[0]), ...details });
}
