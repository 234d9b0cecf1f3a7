import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { KaggleAccess } from '../../../../lib/dataset/sources/kaggle-credentials.ts';
import { licenceText } from '../../../../lib/dataset/sources/licence.ts';
import { fingerprintSource, openSource } from '../../../../lib/dataset/sources/open.ts';
import type { RemoteOptions } from '../../../../lib/dataset/sources/remote-archive.ts';
import { scratchFolder, writeArchive } from '../../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';
import { cutAfter, sendRange, status, type Trouble } from '../../../helpers/hub.ts';
import { ACCOUNT, type Kaggle, startKaggle, stateOf, TOKEN } from '../../../helpers/kaggle.ts';

const scratch = await scratchFolder();
const SCAN = randomBytes(200_000);
const archiveOf = (name: string, readme: string) =>
  writeArchive(join(scratch, name), [
    { path: '3d_images/IMG_0002.nii.gz', content: SCAN, compress: false },
    { path: 'README.md', content: readme },
    { path: 'LICENSE', content: 'Do what you like.\n' },
  ]);
const OLD = await archiveOf('old.zip', 'Lungs, first.\n');
const NEW = await archiveOf('new.zip', 'Lungs.\n');
const LUNGS = 'kmader/finding-lungs-in-ct-data';
const SHA256 = createHash('sha256').update(NEW).digest('hex');

const start = (change: object = {}): Promise<Kaggle> =>
  startKaggle({ [LUNGS]: { versions: { 1: OLD, 2: NEW }, licenseName: 'CC0-1.0', ...change } });
const NOBODY = { username: null, key: null, token: null, configDir: join(scratch, 'no-config') };
let caches = 0;
const optionsOf = (kaggle: Kaggle, access: Partial<KaggleAccess> = ACCOUNT): RemoteOptions => ({
  cacheDir: join(scratch, `cache-${caches++}`),
  ...{ backOffMs: 5, idleMs: 250 },
  access: {
    kaggle: { ...NOBODY, endpoint: kaggle.url, ...access },
    openBucket: () => assert.fail('no bucket is asked'),
  },
});
const lungs = (more: { version?: number; sha256?: string } = {}) =>
  ({ kind: 'kaggle', dataset: LUNGS, ...more }) as const;
const SECRETS = new RegExp(`${ACCOUNT.key}|${TOKEN}|Basic |Signature`);

/** The answer to the request that comes first in every download. */
const firstByte =
  (bytes: Uint8Array): Trouble =>
  (request, response) =>
    sendRange(request, response, bytes, stateOf(bytes));

async function assertOpens(kaggle: Kaggle, options: RemoteOptions): Promise<void> {
  const opened = await openSource(lungs(), options);
  assert.equal(Buffer.compare(await opened.read('3d_images/IMG_0002.nii.gz'), SCAN), 0);
  await opened.close();
  const parts = (await readdir(join(options.cacheDir, 'kaggle'))).filter((name) => name.endsWith('.part'));
  assert.deepEqual(parts, []);
  assert.ok(kaggle.requests.every((one) => one.server === 'kaggle' || one.authorization === undefined));
}

describe('Kaggle source', () => {
  it('signs in to Kaggle, and sends neither name nor key to the storage that it is sent on to', async () => {
    const kaggle = await start();
    await assertOpens(kaggle, optionsOf(kaggle));
    const [kaggles, storages] = ['kaggle', 'storage'].map((server) =>
      kaggle.requests.filter((one) => one.server === server),
    );
    const basic = `Basic ${Buffer.from(`${ACCOUNT.username}:${ACCOUNT.key}`).toString('base64')}`;
    assert.ok(kaggles!.length > 0 && kaggles!.every(({ authorization }) => authorization === basic));
    assert.ok(storages!.length > 0 && storages!.every(({ authorization }) => authorization === undefined));
  });

  it('is fetched once; after that Kaggle is only asked whether it is still the same', async () => {
    const kaggle = await start();
    const options = optionsOf(kaggle);
    await assertOpens(kaggle, options);
    await assertOpens(kaggle, options);
    const ranges = kaggle.requests.filter(({ server }) => server === 'storage').map(({ range }) => range);
    assert.deepEqual(ranges, ['bytes=0-0', undefined, 'bytes=0-0']);
  });

  it('goes on where the line was cut, under a new signature, if the file is the same', async () => {
    const kaggle = await start();
    const cut = cutAfter(NEW, 60_000, stateOf(NEW));
    // The first request asks for the first byte; then the archive comes in three pieces.
    kaggle.troubles.storage = [firstByte(NEW), cut, cut];
    await assertOpens(kaggle, optionsOf(kaggle));
    const pieces = kaggle.requests.filter(({ server }) => server === 'storage').slice(1);
    assert.deepEqual(
      pieces.map(({ range, ifRange }) => [range, ifRange]),
      [
        [undefined, undefined],
        ['bytes=60000-', stateOf(NEW).etag],
        ['bytes=120000-', stateOf(NEW).etag],
      ],
    );
  });

  it('starts again when a new version came in between', async () => {
    const kaggle = await start({ versions: { 1: OLD } });
    const options = optionsOf(kaggle);
    kaggle.troubles.storage = [
      firstByte(OLD),
      (request, response) => {
        cutAfter(OLD, 60_000, stateOf(OLD))(request, response);
        kaggle.datasets[LUNGS]!.versions[2] = NEW;
      },
    ];
    await assertRejectsWithFault(openSource(lungs(), options), 'SOURCE_CHANGED', /^kaggle:kmader/);
    await assertOpens(kaggle, options);
  });

  it('is of the version that was asked for, and has its fingerprint', async () => {
    const kaggle = await start();
    const options = optionsOf(kaggle);
    const seen = new Set();
    for (const [version, readme] of [
      [1, 'Lungs, first.\n'],
      [2, 'Lungs.\n'],
    ] as const) {
      const opened = await openSource(lungs({ version }), options);
      assert.equal(Buffer.from(await opened.read('README.md')).toString(), readme);
      assert.equal(opened.fingerprint, await fingerprintSource(lungs({ version }), options));
      seen.add(opened.fingerprint);
      await opened.close();
    }
    assert.equal(seen.size, 2);
  });

  it('is verified by its hash, and then known without asking', async () => {
    const kaggle = await start();
    const options = optionsOf(kaggle);
    await (await openSource(lungs({ sha256: SHA256 }), options)).close();
    const asked = kaggle.requests.length;
    await (await openSource(lungs({ sha256: SHA256 }), options)).close();
    assert.equal(kaggle.requests.length, asked);
    const wrong = openSource(lungs({ sha256: '0'.repeat(64) }), options);
    await assertRejectsWithFault(wrong, 'SOURCE_DIGEST', new RegExp(SHA256));
  });

  it('keeps its licence: Kaggle’s name of it, and the texts of the archive', async () => {
    const kaggle = await start();
    const opened = await openSource(lungs(), optionsOf(kaggle));
    assert.equal(
      await licenceText(opened),
      `Kaggle data set ${LUNGS}, version 2\nLicence, as Kaggle names it: CC0-1.0\n\n` +
        '== LICENSE\nDo what you like.\n\n== README.md\nLungs.\n',
    );
    kaggle.troubles.kaggle = [status(403)];
    assert.equal(await licenceText(opened), '== LICENSE\nDo what you like.\n\n== README.md\nLungs.\n');
    await opened.close();
  });

  it('needs no account where Kaggle shows it to everybody', async () => {
    const kaggle = await start({ open: true });
    await assertOpens(kaggle, optionsOf(kaggle, {}));
  });

  for (const [what, access, dataset, code, message] of [
    ['no account', {}, LUNGS, 'SOURCE_DENIED', /HTTP 401.*wants a login: set KAGGLE_USERNAME and KAGGLE_KEY/],
    ['a wrong key', { ...ACCOUNT, key: 'stale' }, LUNGS, 'SOURCE_DENIED', /HTTP 401.*is not valid: make a new one/],
    ['a private data set', ACCOUNT, 'other/private', 'SOURCE_DENIED', /HTTP 403.*open its page with this account/],
    ['a data set that is not there', ACCOUNT, 'other/none', 'SOURCE_MISSING', /HTTP 404.*ends in owner\/slug/],
  ] as const) {
    it(`refuses ${what} at once, explains it, and tells no secret`, async () => {
      const kaggle = await start();
      kaggle.datasets['other/private'] = { versions: { 1: OLD }, private: true };
      const options = optionsOf(kaggle, access);
      const opened = openSource({ kind: 'kaggle', dataset }, options);
      await assertRejectsWithFault(opened, code, message);
      await opened.catch((error: Error) => {
        assert.match(error.message, new RegExp(`^kaggle:${dataset}: `));
        assert.doesNotMatch(`${error.message} ${error.cause} ${error.stack}`, SECRETS);
      });
      assert.equal(kaggle.requests.length, 1);
    });
  }

  it('tries again what passes: 429 of Kaggle, 503 of the storage, a connection that ends', async () => {
    const kaggle = await start();
    kaggle.troubles = { kaggle: [status(429)], storage: [status(503), (_, response) => response.destroy()] };
    await assertOpens(kaggle, optionsOf(kaggle));
  });

  it('says that a refusal came from the storage, not from Kaggle', async () => {
    const kaggle = await start();
    kaggle.troubles.storage = [status(403)];
    await assertRejectsWithFault(openSource(lungs(), optionsOf(kaggle)), 'SOURCE_REFUSED', /403 from the storage/);
  });

  it('is told from a web page under the address of Kaggle', async () => {
    const kaggle = await start();
    kaggle.troubles.kaggle = [(_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')];
    const opened = openSource(lungs(), optionsOf(kaggle));
    await assertRejectsWithFault(opened, 'SOURCE_WEB_PAGE', /KAGGLE_API_ENDPOINT/);
  });
});

describe('the account at Kaggle', () => {
  const withFile = async (content: string): Promise<Partial<KaggleAccess>> => {
    const configDir = join(scratch, `config-${caches++}`);
    await mkdir(configDir);
    await writeFile(join(configDir, 'kaggle.json'), content);
    return { configDir };
  };

  it('comes from kaggle.json, from a name and a key, or from a token', async () => {
    const kaggle = await start();
    for (const access of [await withFile(JSON.stringify(ACCOUNT)), ACCOUNT, { token: TOKEN }]) {
      await assertOpens(kaggle, optionsOf(kaggle, access));
    }
  });

  it('comes from the environment where there is a file as well', async () => {
    const kaggle = await start();
    const file = await withFile(JSON.stringify({ ...ACCOUNT, key: 'stale' }));
    await assertOpens(kaggle, optionsOf(kaggle, { ...file, ...ACCOUNT }));
  });

  for (const content of [
    '',
    'not JSON with a secret',
    '{"username": "someone"}',
    'null',
    '{"username": "a", "key": 7}',
  ]) {
    it(`refuses a kaggle.json that holds ${content || 'nothing'}, without quoting it`, async () => {
      const kaggle = await start();
      const options = optionsOf(kaggle, await withFile(content));
      const message = /^kaggle\.json: (?!.*secret).*Create New Token/;
      await assertRejectsWithFault(openSource(lungs(), options), 'SOURCE_CREDENTIALS', message);
      assert.equal(kaggle.requests.length, 0);
    });
  }

  it('is refused where one half of it is missing', async () => {
    const kaggle = await start();
    const options = optionsOf(kaggle, { username: ACCOUNT.username });
    await assertRejectsWithFault(openSource(lungs(), options), 'SOURCE_CREDENTIALS', /^KAGGLE_KEY: found nothing/);
  });
});
