import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** An executable of shell lines, in the place of a program that a test does not need to be real. */
export async function writeScript(folder: string, name: string, lines: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\n${lines}\n`);
  await chmod(join(folder, name), 0o755);
}

/** A `go` whose build does not end: something half-written, and a child at work. The numbers of both stand in `pids`. */
export const writeEndlessGo = (folder: string, pids: string): Promise<void> =>
  writeScript(
    folder,
    'go',
    `printf half > "$GOBIN/temporal"; sleep 60 & echo "$$ $!" > ${pids}.part; mv ${pids}.part ${pids}; wait`,
  );
