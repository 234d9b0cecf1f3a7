import { devCredentials } from '../infra/dev/credentials.ts';
import { Fault } from '../lib/fault.ts';
import type { Platform } from './dev/platform.ts';

/** The key of the patients' pseudonyms, as the workers have it. @throws Fault PATIENT_KEY_SECRET */
export async function patientSecret({ embedded }: Platform, stateDir: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (env.SAMFLOW_PATIENT_KEY) return env.SAMFLOW_PATIENT_KEY;
  if (embedded) return (await devCredentials(stateDir)).patientKey;
  throw new Fault('PATIENT_KEY_SECRET', {
    at: 'SAMFLOW_PATIENT_KEY',
    found: 'nothing',
    expected: 'the key of the patients’ pseudonyms',
    fix: 'Set it as the io workers have it: without it nobody can tell which pseudonym is meant',
  });
}
