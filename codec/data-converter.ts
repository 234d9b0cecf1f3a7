import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { CodecEnvironment } from '../contracts/environment.ts';
import { EncryptionCodec } from './encryption.ts';
import { readCodecKeys } from './keys.ts';

/** For workflow bundles that are made ahead: they need it too. */
export const FAILURE_CONVERTER = fileURLToPath(new URL('./failure-converter.cjs', import.meta.url));

/**
 * How every client and worker turns values into payloads and back. Without keys payloads stay in clear, and an encrypted one is
 * refused in one sentence. Failures are encoded only where there is a key: else their messages would be hidden from nobody but
 * readers of the Web UI.
 * @throws Fault CODEC_KEYS
 */
export function openDataConverter(environment: CodecEnvironment): DataConverter {
  const codec = new EncryptionCodec(readCodecKeys(environment));
  return { payloadCodecs: [codec], ...(codec.encrypts && { failureConverterPath: FAILURE_CONVERTER }) };
}
