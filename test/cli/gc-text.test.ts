import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { gcCommand } from '../../cli/commands/gc.ts';
import { renderGc } from '../../cli/gc-text.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

const plan = { keptRuns: ['a'], doomed: [], staying: { objects: 1, bytes: 3 * 2 ** 30 }, seen: new Set<string>() };
const kinds = [
  { kind: 'embeddings', objects: 12, bytes: 2.5 * 2 ** 20 },
  { kind: 'run', objects: 1, bytes: 900 },
];

describe('what gc says', () => {
  it('counts objects and sizes by kind, and says that nothing was deleted yet', () => {
    const text = stripVTControlCharacters(renderGc(plan, kinds, false));
    assert.match(text, /embeddings │ +12 │ +2\.5 MiB/);
    assert.match(text, /run +│ +1 │ 900 bytes/);
    assert.match(
      text,
      /\nWould delete 13 objects, 2\.5 MiB\. Nothing was deleted: add --yes for that\.\n1 run and 1 object \(3\.0 GiB\) stay\.$/,
    );
  });

  it('says what was deleted', () => assert.match(renderGc(plan, kinds, true), /\nDeleted 13 objects, 2\.5 MiB\.\n/));

  it('says so where there is nothing', () =>
    assert.equal(renderGc(plan, [], true), 'Nothing to delete: 1 run and 1 object (3.0 GiB) stay.'));
});

describe('a gc that does not say what to keep', () => {
  for (const [claim, options, message] of [
    ['at all', {}, /^--keep and --keep-last: found neither/],
    ['in a time', { keep: '30' }, /^--keep: found `30`/],
    ['in a number', { keepLast: 'all' }, /^--keep-last: found `all`/],
    ['for long enough', { keep: '30d', grace: '1s' }, /^--grace: found `1s`/],
  ] as const) {
    it(`is refused: ${claim}`, () => assertRejectsWithFault(gcCommand({ grace: '24h', ...options }), 'USAGE', message));
  }
});
