import { once } from 'node:events';
import { EncryptionCodec } from '../../codec/encryption.ts';
import { readCodecKeys } from '../../codec/keys.ts';
import { startCodecServer } from '../../codec/server.ts';
import { CodecEnvironment, CodecServerEnvironment } from '../../contracts/environment.ts';
import { Fault } from '../../lib/fault.ts';
import { readEnvironment } from '../environment.ts';
import { EXIT } from '../exit-codes.ts';
import { onInterrupt } from '../interrupt.ts';

export interface CodecServerCommandOptions {
  readonly port: string;
  readonly origin?: readonly string[];
  readonly encode?: boolean;
}

/** `samflow codec-server`: shows the Web UI and Temporal's own command what payloads hold, to those who have the token. */
export async function codecServerCommand({
  port,
  origin = [],
  encode = false,
}: CodecServerCommandOptions): Promise<number> {
  const { token } = readEnvironment(CodecServerEnvironment, process.env);
  const keys = readCodecKeys(readEnvironment(CodecEnvironment, process.env));
  if (keys.length === 0) {
    const fix = 'Set SAMFLOW_CODEC_KEYS or SAMFLOW_CODEC_KEYS_FILE as the workers have it';
    throw new Fault('CODEC_KEYS', {
      at: 'SAMFLOW_CODEC_KEYS',
      found: 'nothing',
      expected: 'keys to decrypt with',
      fix,
    });
  }
  const options = { codec: new EncryptionCodec(keys), token, origins: origin.map(originOf), encodes: encode };
  const signal = onInterrupt();
  const server = await startCodecServer({ ...options, port: portOf(port) });
  console.log(`Codec server  ${server.url}`);
  console.log(
    `May ask       ${options.origins.join(', ') || 'programs with the token; no page of a browser (--origin)'}`,
  );
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  return EXIT.ok;
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65535) return port;
  throw new Fault('USAGE', {
    at: '--port',
    found: `\`${text}\``,
    expected: '0 to 65535',
    fix: 'Write e.g. --port 8234',
  });
}

/** As a browser writes it: without a path and a slash at its end. `*` and `null` are none. */
function originOf(text: string): string {
  const { origin, protocol } = URL.canParse(text) ? new URL(text) : { origin: '', protocol: '' };
  if (/^https?:$/.test(protocol) && text.replace(/\/$/, '').toLowerCase() === origin) return origin;
  const fix = 'Write the address of the Web UI without a path, e.g. --origin http://127.0.0.1:8233';
  throw new Fault('USAGE', { at: '--origin', found: `\`${text}\``, expected: 'http(s)://host:port', fix });
}
