import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { Fault } from '../lib/fault.ts';
import type { CodecKey } from './keys.ts';

const PayloadMessage = proto.temporal.api.common.v1.Payload;

/** As the encryption samples of Temporal's SDKs name them, so that its Web UI and CLI know what they see. */
const ENCODING = 'binary/encrypted';
const CIPHER = 'aes-256-gcm';
const [KEY_ID, KEY_CIPHER] = ['encryption-key-id', 'encryption-cipher'] as const;

/** NIST SP 800-38D: 96 random bits, and a tag that is not shortened. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Payloads under AES-256-GCM: `nonce | ciphertext | tag` in `data`. What is encrypted is the whole payload, its metadata
 * included; the metadata that names key and cipher is authenticated. Payloads in clear are read as they are, so that histories of
 * before the first key stay readable; without a key they are also written so.
 */
export class EncryptionCodec implements PayloadCodec {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #first: CodecKey | undefined;

  /** @param keys the first one encrypts, all decrypt */
  constructor(keys: readonly CodecKey[]) {
    this.#keys = new Map(keys.map(({ id, key }) => [id, key]));
    this.#first = keys[0];
  }

  get encrypts(): boolean {
    return this.#first !== undefined;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const first = this.#first;
    return first ? payloads.map((payload) => encrypt(payload, first)) : payloads;
  }

  /** @throws Fault PAYLOAD_KEY_UNKNOWN, PAYLOAD_DAMAGED: nothing is ever given out that was not authenticated */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => (word(payload, 'encoding') === ENCODING ? decrypt(payload, this.#keys) : payload));
  }
}

function encrypt(payload: Payload, { id, key }: CodecKey): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(authenticated(id));
  const sealed = [nonce, cipher.update(PayloadMessage.encode(payload).finish()), cipher.final(), cipher.getAuthTag()];
  const metadata = { encoding: ENCODING, [KEY_CIPHER]: CIPHER, [KEY_ID]: id };
  return {
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value)])),
    data: Buffer.concat(sealed),
  };
}

function decrypt(payload: Payload, keys: ReadonlyMap<string, KeyObject>): Payload {
  const id = word(payload, KEY_ID) ?? '';
  const key = keys.get(id);
  if (!key) throw unknownKey(id, keys.size);
  if (word(payload, KEY_CIPHER) !== CIPHER) throw damaged('another cipher');
  const data = Buffer.from(payload.data ?? []);
  if (data.length < NONCE_BYTES + TAG_BYTES) throw damaged(`${data.length} bytes`);
  const decipher = createDecipheriv(CIPHER, key, data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(authenticated(id)).setAuthTag(data.subarray(-TAG_BYTES));
  const body = decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    throw damaged('bytes that this key has not sealed');
  }
  return PayloadMessage.decode(body);
}

const authenticated = (id: string): Buffer => Buffer.from(`${ENCODING} ${CIPHER} ${id}`);

function word({ metadata }: Payload, name: string): string | undefined {
  const bytes = metadata?.[name];
  return bytes && Buffer.from(bytes).toString('utf8');
}

function unknownKey(id: string, known: number): Fault {
  // The id comes from the server: no more of it is repeated than an id may hold.
  const shown = /^[\w.-]{1,64}$/.test(id) ? `the key ${id}` : 'a key without a proper id';
  return new Fault('PAYLOAD_KEY_UNKNOWN', {
    at: 'SAMFLOW_CODEC_KEYS',
    found: `a payload under ${shown}`,
    expected: known === 0 ? 'payloads in clear, as no key is set' : 'a key of the list',
    fix: 'Set the keys as those have them who wrote it; old ones stay behind the first',
  });
}

const damaged = (found: string): Fault =>
  new Fault('PAYLOAD_DAMAGED', {
    at: 'an encrypted payload',
    found,
    expected: 'what was encrypted, unchanged',
    fix: 'Check that the key of this id is the same everywhere; else the history was changed or cut',
  });
