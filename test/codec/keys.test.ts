import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseCodecKeys, readCodecKeys } from '../../codec/keys.ts';
import { assertFault } from '../helpers/faults.ts';

const KEY = randomBytes(32);
const idsOf = (text: string): string[] => parseCodecKeys(text, 'KEYS').map(({ id }) => id);

describe('the keys of the codec', () => {
  it('are read in their order, in either alphabet of base64', () => {
    const text = `b:${KEY.toString('base64')},a.2025-01:${KEY.toString('base64url')}`;
    const keys = parseCodecKeys(text, 'KEYS');
    assert.deepEqual(
      keys.map(({ id, key }) => [id, key.export().equals(KEY)]),
      [
        ['b', true],
        ['a.2025-01', true],
      ],
    );
  });

  it('stand one to a line in a file, with comments', () =>
    assert.deepEqual(idsOf(`# of today\nb:${KEY.toString('base64')}\n\na:${KEY.toString('base64')} # old\n`), [
      'b',
      'a',
    ]));

  it('are none where the environment names none', () =>
    assert.deepEqual(readCodecKeys({ keys: null, keysFile: null }), []));

  const REFUSED: [claim: string, text: string][] = [
    ['a key without an id', KEY.toString('base64')],
    ['a key that is too short', `a:${KEY.subarray(1).toString('base64')}`],
    ['a key that is too long', `a:${Buffer.concat([KEY, KEY]).toString('base64')}`],
    ['a key that is no base64', `a:${'?'.repeat(43)}`],
    ['an id with other letters', `a b:${KEY.toString('base64')}`],
    ['an id twice', `a:${KEY.toString('base64')},a:${randomBytes(32).toString('base64')}`],
    ['nothing but a comment', '# later'],
  ];
  for (const [claim, text] of REFUSED) {
    it(`are refused with ${claim}, and the message holds none`, () => {
      const part = KEY.toString('base64').slice(8, 20).replaceAll('+', '\\+');
      assertFault(() => parseCodecKeys(text, 'KEYS'), 'CODEC_KEYS', new RegExp(`^(?!.*${part})`));
    });
  }
});

describe('a file of keys', () => {
  let file: string;
  before(async () => {
    file = join(await mkdtemp(join(tmpdir(), 'samflow-keys-')), 'keys');
    await writeFile(file, `a:${KEY.toString('base64')}\n`, { mode: 0o600 });
  });
  after(() => rm(join(file, '..'), { recursive: true }));

  it('is read where it is its owner’s alone', () =>
    assert.deepEqual(
      readCodecKeys({ keys: null, keysFile: file }).map(({ id }) => id),
      ['a'],
    ));

  it('is refused where it is missing, or a folder', () => {
    for (const keysFile of [`${file}-none`, join(file, '..')]) {
      assertFault(() => readCodecKeys({ keys: null, keysFile }), 'CODEC_KEYS');
    }
  });

  it('is refused where others may read it', { skip: process.platform === 'win32' }, async () => {
    await chmod(file, 0o640);
    assertFault(() => readCodecKeys({ keys: null, keysFile: file }), 'CODEC_KEYS', /others may read.*chmod 600/);
  });
});
