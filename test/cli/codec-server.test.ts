import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Home } from '../helpers/cli.ts';

const TOKEN = 'a token of a test, long enough';
const KEYS = `now:${randomBytes(32).toString('base64')}`;

describe('samflow codec-server', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => home.remove());

  it('serves on the loopback address until Ctrl-C, and writes neither token nor keys', async () => {
    const env = { SAMFLOW_CODEC_TOKEN: TOKEN, SAMFLOW_CODEC_KEYS: KEYS };
    const server = home.with(env).start('codec-server', '--port', '0', '--origin', 'http://127.0.0.1:8233/');
    const [, url] = await server.until(
      /Codec server {2}(http:\/\/127\.0\.0\.1:\d+)\nMay ask +http:\/\/127\.0\.0\.1:8233\n/,
    );
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await fetch(`${url}/decode`, { method: 'POST', body: '{"payloads":[]}', headers });
    assert.deepEqual([response.status, await response.json()], [200, { payloads: [] }]);
    server.child.kill('SIGINT');
    assert.equal((await server.finished).code, 0);
    for (const secret of [TOKEN, KEYS.slice(6)]) assert.ok(!server.text().includes(secret));
  });

  const REFUSED: [claim: string, env: NodeJS.ProcessEnv, args: string[], message: RegExp][] = [
    ['without a token', { SAMFLOW_CODEC_KEYS: KEYS }, [], /SAMFLOW_CODEC_TOKEN: found .*16 characters.*\[CONFIG\]/],
    [
      'with a token that is short',
      { SAMFLOW_CODEC_KEYS: KEYS, SAMFLOW_CODEC_TOKEN: 'short' },
      [],
      /SAMFLOW_CODEC_TOKEN: found .*16 characters.*\[CONFIG\]/,
    ],
    ['without keys', { SAMFLOW_CODEC_TOKEN: TOKEN }, [], /SAMFLOW_CODEC_KEYS: found nothing.*\[CODEC_KEYS\]/],
    [
      'for every origin',
      { SAMFLOW_CODEC_TOKEN: TOKEN, SAMFLOW_CODEC_KEYS: KEYS },
      ['--origin', '*'],
      /--origin: found `\*`.*\[USAGE\]/,
    ],
    [
      'on a port that is none',
      { SAMFLOW_CODEC_TOKEN: TOKEN, SAMFLOW_CODEC_KEYS: KEYS },
      ['--port', '-1'],
      /--port: found `-1`.*\[USAGE\]/,
    ],
  ];
  for (const [claim, env, args, message] of REFUSED) {
    it(`does not start ${claim}`, async () => {
      const { code, stderr } = await home.with(env).run('codec-server', ...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    });
  }
});
