import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { canonicalJson } from '../../../lib/artifacts/canonical-json.ts';

describe('canonical JSON', () => {
  it('writes members by name and nothing between them, so that equal values are equal texts', () => {
    assert.equal(canonicalJson({ b: [1, { d: null, c: true }], a: 'x' }), '{"a":"x","b":[1,{"c":true,"d":null}]}');
    assert.equal(canonicalJson({ b: 1, a: 2 }), canonicalJson({ a: 2, b: 1 }));
  });

  it('orders names by UTF-16 code units, as RFC 8785 does', () => {
    assert.equal(
      canonicalJson({ '\u{1f600}': 1, '\ufb33': 2, ö: 3, Z: 4, a: 5 }),
      '{"Z":4,"a":5,"ö":3,"\u{1f600}":1,"\ufb33":2}',
    );
  });

  it('leaves out members that are undefined, and keeps null', () => {
    assert.equal(canonicalJson({ a: undefined, b: null }), '{"b":null}');
  });

  it('writes minus zero as zero and large numbers as JavaScript does', () => {
    assert.equal(canonicalJson([-0, 1e21, 0.1, 1e-7]), '[0,1e+21,0.1,1e-7]');
  });

  it('takes objects of other realms', () => {
    assert.equal(canonicalJson(runInNewContext('({b: 1, a: [2]})')), '{"a":[2],"b":1}');
  });

  for (const [what, value, message] of [
    ['NaN', { training: { learningRate: Number.NaN } }, /\$\.training\.learningRate is NaN/],
    ['infinity', [1, Number.POSITIVE_INFINITY], /\$\[1\] is Infinity/],
    ['a bigint', { a: 1n }, /\$\.a is of type bigint/],
    ['a function', { a: () => 1 }, /\$\.a is of type function/],
    ['undefined in a list', [undefined], /\$\[0\] is of type undefined/],
    ['a date', { a: new Date(0) }, /\$\.a is a Date/],
    ['a map', new Map(), /\$ is a Map/],
    ['bytes', { a: new Uint8Array(2) }, /\$\.a is a Uint8Array/],
  ] as const) {
    it(`refuses ${what}, naming the path`, () => {
      assert.throws(() => canonicalJson(value), { name: 'TypeError', message });
    });
  }
});
