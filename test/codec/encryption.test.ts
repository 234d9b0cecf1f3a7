import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { EncryptionCodec } from '../../codec/encryption.ts';
import { parseCodecKeys } from '../../codec/keys.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

const entry = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const [A, B] = [entry('2026-a'), entry('2026-b')];
const codecOf = (...entries: string[]): EncryptionCodec =>
  new EncryptionCodec(entries.length === 0 ? [] : parseCodecKeys(entries.join(','), 'test'));
const clear = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const readClear = (payload: Payload | undefined): unknown => defaultPayloadConverter.fromPayload(payload!);
const seal = async (codec: EncryptionCodec, value: unknown): Promise<Payload> =>
  (await codec.encode([clear(value)]))[0]!;
const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

/** The same payload with some of its bytes or its metadata changed. */
function changed(
  payload: Payload,
  change: { at?: number; length?: number; metadata?: Record<string, string> },
): Payload {
  const data = Buffer.from(payload.data ?? []);
  if (change.at !== undefined) data[change.at < 0 ? data.length + change.at : change.at]! ^= 1;
  const given = Object.entries(change.metadata ?? {}).map(([name, value]) => [name, Buffer.from(value)]);
  return { metadata: { ...payload.metadata, ...Object.fromEntries(given) }, data: data.subarray(0, change.length) };
}

describe('an encrypted payload', () => {
  it('comes back as it was, its metadata too, whatever it holds', async () => {
    const codec = codecOf(A);
    for (const value of [{ window: 'lung', patients: ['p-1'] }, '', null, undefined, new Uint8Array([0, 255, 1])]) {
      const plain = clear(value);
      const [decoded] = await codec.decode(await codec.encode([plain]));
      assert.deepEqual(readClear(decoded), readClear(plain));
      assert.equal(text(decoded?.metadata?.encoding), text(plain.metadata?.encoding));
    }
  });

  it('shows key and cipher, and nothing of what it holds', async () => {
    const sealed = await seal(codecOf(A), { window: 'lung', secretWord: 'quackenbush' });
    assert.deepEqual(
      Object.entries(sealed.metadata ?? {}).map(([name, value]) => [name, text(value)]),
      [
        ['encoding', 'binary/encrypted'],
        ['encryption-cipher', 'aes-256-gcm'],
        ['encryption-key-id', '2026-a'],
      ],
    );
    assert.doesNotMatch(text(sealed.data), /lung|window|quackenbush|json/);
  });

  it('is another one each time: nonces are not used twice', async () => {
    const codec = codecOf(A);
    const nonces = await Promise.all(
      Array.from({ length: 200 }, async () => text((await seal(codec, 1)).data?.subarray(0, 12))),
    );
    assert.equal(new Set(nonces).size, 200);
  });

  it('of before a rotation is read by the key that is second in the list now, and the first one encrypts', async () => {
    const old = await seal(codecOf(A), 'of last year');
    const rotated = codecOf(B, A);
    assert.equal(readClear((await rotated.decode([old]))[0]), 'of last year');
    assert.equal(text((await seal(rotated, 'of today')).metadata?.['encryption-key-id']), '2026-b');
  });

  it('in clear is read as it is: histories of before the first key stay readable', async () => {
    assert.equal(readClear((await codecOf(A).decode([clear('early')]))[0]), 'early');
  });

  const REFUSED: [claim: string, code: string, spoil: (sealed: Payload) => Payload, keys?: string[]][] = [
    ['under a key that is not in the list', 'PAYLOAD_KEY_UNKNOWN', (sealed) => sealed, [B]],
    ['where no key is set', 'PAYLOAD_KEY_UNKNOWN', (sealed) => sealed, []],
    ['under another key of the same id', 'PAYLOAD_DAMAGED', (sealed) => sealed, [entry('2026-a')]],
    [
      'that was given the id of another key in the list',
      'PAYLOAD_DAMAGED',
      (sealed) => changed(sealed, { metadata: { 'encryption-key-id': '2026-b' } }),
    ],
    ['with another nonce', 'PAYLOAD_DAMAGED', (sealed) => changed(sealed, { at: 0 })],
    ['with another byte', 'PAYLOAD_DAMAGED', (sealed) => changed(sealed, { at: 14 })],
    ['with another tag', 'PAYLOAD_DAMAGED', (sealed) => changed(sealed, { at: -1 })],
    ['that was cut', 'PAYLOAD_DAMAGED', (sealed) => changed(sealed, { length: 40 })],
    ['that was cut to less than nonce and tag', 'PAYLOAD_DAMAGED', (sealed) => changed(sealed, { length: 27 })],
    [
      'of another cipher',
      'PAYLOAD_DAMAGED',
      (sealed) => changed(sealed, { metadata: { 'encryption-cipher': 'aes-256-cbc' } }),
    ],
  ];
  for (const [claim, code, spoil, keys = [A, B]] of REFUSED) {
    it(`${claim} is refused as ${code}, and nothing of it is given out`, async () => {
      const sealed = spoil(await seal(codecOf(A), { patient: 'p-1' }));
      await assertRejectsWithFault(codecOf(...keys).decode([clear('fine'), sealed]), code);
    });
  }

  it('is bound to its id: the same key under another one does not open it', async () => {
    const twin = A.replace('2026-a', '2026-b');
    const sealed = changed(await seal(codecOf(A), 1), { metadata: { 'encryption-key-id': '2026-b' } });
    await assertRejectsWithFault(codecOf(A, twin).decode([sealed]), 'PAYLOAD_DAMAGED');
  });

  it('does not bring its id into an error where that is no id', async () => {
    const sealed = changed(await seal(codecOf(A), 1), {
      metadata: { 'encryption-key-id': '<img onerror=x>\u001b[2J' },
    });
    await assert.rejects(codecOf(A).decode([sealed]), /a key without a proper id/);
  });
});

describe('a codec without keys', () => {
  it('leaves payloads in clear', async () => {
    const plain = clear('in clear');
    assert.deepEqual(await codecOf().encode([plain]), [plain]);
    assert.equal(codecOf().encrypts, false);
  });
});
