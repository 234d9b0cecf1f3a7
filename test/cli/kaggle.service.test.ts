import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { scratchFolder, writeArchive } from '../helpers/archives.ts';
import { Home, lastJson, TINY } from '../helpers/cli.ts';
import { textOf } from '../helpers/events.ts';
import { cutAfter, sendRange } from '../helpers/hub.ts';
import { ACCOUNT, startKaggle, stateOf } from '../helpers/kaggle.ts';

/** From a data set of Kaggle, in one word and without a pattern, to a report. */

const BASIC = Buffer.from(`${ACCOUNT.username}:${ACCOUNT.key}`).toString('base64');
const SECRETS = new RegExp(`${ACCOUNT.key}|${BASIC}|X-Goog-Signature`);

const folder = await scratchFolder();
const files = phantomFiles(3, 11).map(({ path, bytes }) => ({ path, content: bytes, compress: false }));
const archive = await writeArchive(join(folder, 'lungs.zip'), [...files, { path: 'README.md', content: 'Lungs.\n' }]);
// Not in a hook: it would be ended with it.
const kaggle = await startKaggle({ 'kmader/lungs': { versions: { 1: archive }, licenseName: 'CC0-1.0' } });
const config = join(folder, 'run.yaml');
let home: Home;
const run = () => home.run('run', config, ...TINY, '--set', 'training.epochs=1', '--keep', '--json');
const historyOf = async (id: string): Promise<string> => {
  const connection = await Connection.connect({ address: await home.temporalAddress() });
  try {
    return textOf((await new Client({ connection }).workflow.getHandle(id).fetchHistory()).events ?? []);
  } finally {
    await connection.close();
  }
};
before(async () => {
  await writeFile(config, 'name: lungs\nsource: kaggle:kmader/lungs\ndataset: { target: lungs }\n');
  home = await Home.make();
  const account = { KAGGLE_USERNAME: ACCOUNT.username, KAGGLE_KEY: ACCOUNT.key };
  Object.assign(home.env, { KAGGLE_API_ENDPOINT: kaggle.url, ...account });
});
after(() => home.remove());

describe('a run from a data set of Kaggle', () => {
  it('goes on with a download that was cut, finds the layout, and lists the licence in its report', async () => {
    kaggle.troubles.storage = [
      (request, response) => sendRange(request, response, archive, stateOf(archive)),
      cutAfter(archive, 100_000, stateOf(archive)),
    ];
    const ended = await run();
    assert.equal(ended.code, 0, ended.stderr);
    const { report, run: id } = lastJson(ended);
    const ranges = kaggle.requests.filter(({ server }) => server === 'storage').map(({ range }) => range);
    assert.deepEqual(ranges.slice(0, 2), ['bytes=0-0', undefined]);
    // What was on its way when the line broke may be lost with it.
    const from = Number(/^bytes=(\d+)-$/.exec(ranges[2]!)?.[1]);
    assert.ok(ranges.length === 3 && from > 0 && from <= 100_000, `${ranges}`);
    const html = await readFile(report, 'utf8');
    assert.match(html, /licence/);
    for (const text of [html, await historyOf(id), ended.stdout, ended.stderr]) assert.doesNotMatch(text, SECRETS);
  });

  it('ends at once where Kaggle denies it, and says what to do', async () => {
    kaggle.datasets['kmader/lungs']!.private = true;
    await writeFile(config, 'name: denied\nsource: kaggle:kmader/lungs\ndataset: { target: lungs }\n');
    const before = kaggle.requests.length;
    const ended = await run();
    assert.equal(ended.code, 1, ended.stderr);
    const { failure, run: id } = lastJson(ended);
    assert.equal(failure.code, 'SOURCE_DENIED');
    assert.match(ended.stderr, /kaggle:kmader\/lungs: found HTTP 403, .*open its page with this account/);
    assert.equal(kaggle.requests.length, before + 1);
    assert.doesNotMatch((await historyOf(id)) + ended.stderr, SECRETS);
  });
});
