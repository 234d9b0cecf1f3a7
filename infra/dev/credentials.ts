import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The secrets of one embedded installation, made once at random. They never stand in a command line or a log. */
export interface DevCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Key of the patients' pseudonyms (SAMFLOW_PATIENT_KEY). */
  patientKey: string;
}

/** Reads `<stateDir>/credentials.json`, or makes it, readable by the owner only. */
export async function devCredentials(stateDir: string): Promise<DevCredentials> {
  const file = join(stateDir, 'credentials.json');
  const present = await read(file);
  if (present) return present;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const made: DevCredentials = {
    accessKeyId: `samflow${randomBytes(6).toString('hex')}`,
    secretAccessKey: randomBytes(24).toString('base64url'),
    patientKey: randomBytes(24).toString('base64url'),
  };
  const own = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(own, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  try {
    // Fails where another process made them in the meantime: then theirs count.
    await link(own, file);
    await chmod(file, 0o600);
    return made;
  } catch {
    return (await read(file)) ?? made;
  } finally {
    await rm(own, { force: true });
  }
}

async function read(file: string): Promise<DevCredentials | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
