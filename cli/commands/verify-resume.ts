import { prepareRun } from '../config/prepare.ts';
import { readConfig } from '../config/read-config.ts';
import { wholeNumber, withProof } from '../resume-proof/with-proof.ts';

export interface VerifyResumeOptions {
  readonly set?: readonly string[];
  readonly kills: string;
  readonly seed?: string;
  readonly json?: boolean;
}

/** `samflow verify-resume CONFIG`: runs it twice, the second time with its gpu worker killed, and compares what comes out. */
export async function verifyResumeCommand(
  file: string,
  { set, kills, seed, json }: VerifyResumeOptions,
): Promise<number> {
  const options = {
    kills: wholeNumber('--kills', kills, 1),
    seed: seed === undefined ? seed : wholeNumber('--seed', seed),
  };
  return withProof(await prepareRun(await readConfig(file, set)), { ...options, json });
}
