import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { EncryptionCodec } from '../../codec/encryption.ts';
import { parseCodecKeys } from '../../codec/keys.ts';
import { payloadsToJson, readPayloads } from '../../codec/payload-json.ts';
import { type CodecServer, startCodecServer } from '../../codec/server.ts';

const TOKEN = 'a token of the test, long enough';
const ORIGIN = 'http://127.0.0.1:8233';
const SECRET = { patient: 'p-quackenbush', window: 'lung' };
const codecOf = (id: string): EncryptionCodec =>
  new EncryptionCodec(parseCodecKeys(`${id}:${randomBytes(32).toString('base64')}`, 'test'));
const json = (payloads: readonly Payload[]): string => JSON.stringify(payloadsToJson(payloads));
const plain = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);

describe('the codec server', () => {
  const codec = codecOf('now');
  let server: CodecServer;
  let encoding: CodecServer;
  let sealed: string;
  before(async () => {
    const common = { codec, port: 0, token: TOKEN, origins: [ORIGIN] };
    server = await startCodecServer({ ...common, encodes: false });
    encoding = await startCodecServer({ ...common, encodes: true });
    sealed = json(await codec.encode([plain(SECRET), plain(undefined)]));
  });
  after(() => Promise.all([server.close(), encoding.close()]));

  const bearer = { authorization: `Bearer ${TOKEN}` };
  const ask = (body: string, headers: Record<string, string> = bearer, path = '/decode', to = server) =>
    fetch(to.url + path, { method: 'POST', body, headers });
  const valuesIn = async (response: Response): Promise<unknown[]> =>
    (readPayloads(new Uint8Array(await response.arrayBuffer())) ?? []).map((one) =>
      defaultPayloadConverter.fromPayload(one),
    );

  it('decodes for who shows the token', async () => {
    const response = await ask(sealed);
    assert.deepEqual([response.status, await valuesIn(response)], [200, [SECRET, undefined]]);
    assert.equal(response.headers.get('cache-control'), 'no-store');
  });

  const STRANGERS: [claim: string, headers: Record<string, string>][] = [
    ['no token', {}],
    ['another token', { authorization: 'Bearer another token, as long as it' }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['the token as a name and password', { authorization: `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}` }],
    ['a cookie that nobody has given', { cookie: `samflow-codec=${'a'.repeat(32)}` }],
  ];
  for (const [claim, headers] of STRANGERS) {
    it(`answers 401, and nothing else, to ${claim}`, async () => {
      const response = await ask(sealed, headers);
      assert.equal(response.status, 401);
      assert.equal(response.headers.get('www-authenticate'), 'Bearer');
      assert.doesNotMatch(await response.text(), /quackenbush|lung/);
    });
  }

  it('lets the pages of its origins ask, with what the Web UI sends, and no others', async () => {
    const headers = { origin: ORIGIN, 'access-control-request-method': 'POST' };
    const preflight = await fetch(`${server.url}/decode`, { method: 'OPTIONS', headers });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal(preflight.headers.get('access-control-allow-credentials'), 'true');
    for (const name of ['content-type', 'x-namespace', 'authorization']) {
      assert.match(preflight.headers.get('access-control-allow-headers')!, new RegExp(name));
    }
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:82333', `${ORIGIN}.evil.example`]) {
      for (const method of ['OPTIONS', 'POST']) {
        const body = method === 'POST' ? { body: sealed } : {};
        const refused = await fetch(`${server.url}/decode`, { method, headers: { ...bearer, origin }, ...body });
        assert.equal(refused.status, 403, origin);
        assert.equal(refused.headers.get('access-control-allow-origin'), null, origin);
      }
    }
  });

  it('gives a browser a cookie for the token, which no script may read and no other site sends', async () => {
    const form = (token: string) =>
      fetch(`${server.url}/session`, { method: 'POST', body: new URLSearchParams({ token }) });
    const refused = await form('not the token');
    assert.deepEqual([refused.status, refused.headers.get('set-cookie')], [401, null]);
    const cookie = (await form(TOKEN)).headers.get('set-cookie')!;
    assert.match(cookie, /^samflow-codec=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=28800$/);
    assert.ok(!cookie.includes(TOKEN));
    const response = await ask(sealed, { cookie: cookie.split(';')[0]!, origin: ORIGIN });
    assert.deepEqual([response.status, await valuesIn(response)], [200, [SECRET, undefined]]);
  });

  it('shows a page for that which loads nothing and cannot be framed', async () => {
    const response = await fetch(server.url);
    assert.match(response.headers.get('content-security-policy')!, /default-src 'none'.*frame-ancestors 'none'/);
    assert.match(await response.text(), /<input type="password"/);
  });

  it('refuses a payload of another key in the sentence that says so', async () => {
    const response = await ask(json(await codecOf('old').encode([plain(SECRET)])));
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { code: string }).code, 'PAYLOAD_KEY_UNKNOWN');
  });

  const BODIES: [claim: string, body: string, status: number][] = [
    ['no JSON', '{"payloads":', 400],
    ['other JSON', '{"payloads":{"metadata":1}}', 400],
    ['payloads that are none', '{"payloads":[1,null]}', 400],
    ['more than eight mebibytes', ' '.repeat(8 * 2 ** 20 + 1), 413],
  ];
  for (const [claim, body, status] of BODIES) {
    it(`refuses a body of ${claim}`, async () => assert.equal((await ask(body)).status, status));
  }

  it('encodes only where it was told to', async () => {
    const body = json([plain(SECRET)]);
    assert.equal((await ask(body, bearer, '/encode')).status, 404);
    const response = await ask(body, bearer, '/encode', encoding);
    const payloads = readPayloads(new Uint8Array(await response.arrayBuffer()))!;
    assert.deepEqual(
      (await codec.decode(payloads)).map((one) => defaultPayloadConverter.fromPayload(one)),
      [SECRET],
    );
    assert.equal((await ask(body, {}, '/encode', encoding)).status, 401);
  });

  it('knows no other path and no other method', async () => {
    assert.equal((await ask(sealed, bearer, '/keys')).status, 404);
    assert.equal((await fetch(`${server.url}/decode`, { headers: bearer })).status, 405);
  });
});
