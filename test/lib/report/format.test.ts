import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, change, count, duration, plural, pValue, signed } from '../../../lib/report/format.ts';
import { html } from '../../../lib/report/html.ts';
import { shellWord } from '../../../lib/report/weights-section.ts';

test('a change has its sign, unless it rounds to zero', () => {
  assert.deepEqual([0.2224, -0.05, 0.0004, -0.0004].map(change), ['+0.222', '−0.050', '0.000', '0.000']);
});

test('so does one of any other metric, with as many digits as it has', () => {
  assert.deepEqual([signed(-3.44, 1), signed(0.04, 1), signed(12, 0)], ['−3.4', '0.0', '+12']);
});

test('a p value is not told smaller than a thousandth', () => {
  assert.deepEqual([0.03125, 0.0004, 1, null].map(pValue), ['0.031', '< 0.001', '1.000', '–']);
});

test('sizes count in thousands and keep two or three digits', () => {
  const sizes = [0, 999, 1000, 99_499, 999_600, 16_777_216, 3.2e9];
  assert.deepEqual(sizes.map(bytes), ['0 B', '999 B', '1.0 kB', '99.5 kB', '1.0 MB', '16.8 MB', '3.2 GB']);
});

test('times go over to the next unit without a sixtieth second', () => {
  const seconds = [0.424, 12.34, 59.96, 245, 7380];
  assert.deepEqual(seconds.map(duration), ['0.42 s', '12.3 s', '1 min 00 s', '4 min 05 s', '2 h 03 min']);
});

test('counts are grouped in threes and agree with their noun', () => {
  assert.deepEqual([7, 1234, 1234567].map(count), ['7', '1,234', '1,234,567']);
  assert.deepEqual([plural(1, 'slice'), plural(0, 'slice')], ['1 slice', '0 slices']);
});

test('values in a template are escaped, markup and lists of it are not', () => {
  const text = html`<p title="${'"<&>\''}">${[html`<b>${1}</b>`, null, false, '<']}</p>`.text;
  assert.equal(text, '<p title="&quot;&lt;&amp;&gt;&#39;"><b>1</b>&lt;</p>');
});

test('a word is quoted for the shell only where it needs it', () => {
  assert.equal(shellWord('lungs-7f21c0'), 'lungs-7f21c0');
  assert.equal(shellWord("a'; rm -rf ~"), `'a'\\''; rm -rf ~'`);
});
