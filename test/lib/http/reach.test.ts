import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OutOfReach, reachOf } from '../../../lib/http/reach.ts';

const isOpen = (host: string, ...allowed: string[]): boolean => {
  try {
    reachOf(allowed).checkHost(host);
    return true;
  } catch (error) {
    assert.ok(error instanceof OutOfReach);
    return false;
  }
};
const lookUp = (host: string, allowed: string[]): Promise<Error | null> =>
  new Promise((resolve) => reachOf(allowed).lookup(host, { all: true }, (error) => resolve(error)));

const PUBLIC = ['8.8.8.8', '172.15.0.1', '172.32.0.1', '192.169.0.1', '[2606:4700::1111]', 'example.org'];
const PRIVATE = ['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '100.64.0.1', '[::1]', '[fd12::1]'];
const NEVER = [
  ...['169.254.169.254', '0.0.0.0', '224.0.0.1', '255.255.255.255', '168.63.129.16', '100.100.100.200'],
  ...[
    '[fe80::1]',
    '[::]',
    '[ff02::1]',
    '[fd00:ec2::254]',
    '[::ffff:169.254.169.254]',
    '[64:ff9b::a9fe:a9fe]',
    '[2002:a9fe:a9fe::]',
  ],
];

describe('the reach of a source', () => {
  it('is the public internet', () => {
    assert.deepEqual(
      PUBLIC.filter((host) => !isOpen(host)),
      [],
    );
    assert.deepEqual(
      [...PRIVATE, ...NEVER, '[::ffff:10.0.0.1]'].filter((host) => isOpen(host)),
      [],
    );
  });

  it('is private networks besides where they are allowed, and still nobody’s metadata service', () => {
    assert.deepEqual(
      PRIVATE.filter((host) => !isOpen(host, 'private')),
      [],
    );
    assert.deepEqual(
      NEVER.filter((host) => isOpen(host, 'private')),
      [],
    );
  });

  it('is one address or one range where these are allowed', () => {
    assert.ok(isOpen('10.0.0.7', '10.0.0.7') && !isOpen('10.0.0.8', '10.0.0.7'));
    assert.ok(isOpen('10.0.3.7', '10.0.0.0/22') && !isOpen('10.0.4.1', '10.0.0.0/22'));
    assert.ok(isOpen('[fd12::9]', 'fd12::/64') && !isOpen('[fd13::9]', 'fd12::/64'));
  });

  it('ends where a name leads to such an address, unless the name is allowed', async () => {
    assert.ok((await lookUp('localhost', [])) instanceof OutOfReach);
    assert.equal(await lookUp('localhost', ['LOCALHOST']), null);
    assert.equal(await lookUp('localhost', ['private']), null);
  });

  it('is not made of words that say nothing', () => {
    for (const word of ['10.0.0.0/33', 'a/b', '10.0.0.0/8/8', 'http://nas', '-', '10.0.0.0/']) {
      assert.throws(() => reachOf([word]), RangeError, word);
    }
  });
});
