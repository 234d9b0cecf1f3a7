import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readBytes } from '../../../lib/artifacts/parts.ts';
import { type HubOptions, openHub } from '../../../lib/pretrained/hub.ts';
import { scratchFolder } from '../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { cutAfter, type Hub, type HubModel, startHub, status, type Trouble } from '../../helpers/hub.ts';

const scratch = await scratchFolder();
const COMMIT = 'a'.repeat(40);
const OLD_COMMIT = 'b'.repeat(40);
const TOKEN = 'a token that does not begin as those of huggingface.co do'.replaceAll(' ', '-');
const WEIGHTS = randomBytes(300_000);
const WEIGHTS_FILE = 'model.safetensors';
const FILES = { 'config.json': Buffer.from('{"model_type": "sam"}'), [WEIGHTS_FILE]: WEIGHTS };
const model = (more: Partial<HubModel> = {}): HubModel => ({
  refs: { main: COMMIT, v1: OLD_COMMIT },
  commits: { [COMMIT]: FILES, [OLD_COMMIT]: { ...FILES, 'config.json': Buffer.from('{}') } },
  ...more,
});

let caches = 0;
const optionsFor = (hub: Hub, more: Partial<HubOptions> = {}): HubOptions => ({
  ...{ endpoint: hub.url, token: null, cacheDir: join(scratch, `cache-${caches++}`), backOffMs: 5, idleMs: 250 },
  ...more,
});
const main = { kind: 'hub', repository: 'medical/sam', revision: 'main' } as const;

async function read(place: Awaited<ReturnType<typeof openHub>>, name: string): Promise<Buffer> {
  const file = await place.open(name);
  return Buffer.from(await readBytes(file!, 0, file!.bytes));
}

/** Paths of the requests to the hub's storage, as the ranges they asked for. */
const storageRanges = (hub: Hub) => hub.requests.flatMap(({ server, range }) => (server === 'storage' ? [range] : []));

describe('a model of the hub', () => {
  it('is fetched at the commit that its branch had when it was opened, whatever the branch is afterwards', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const place = await openHub(main, optionsFor(hub));
    assert.equal(place.origin, `hf:medical/sam@${COMMIT}`);
    assert.deepEqual([place.name, place.pinned], ['sam', true]);
    hub.models['medical/sam']!.refs.main = OLD_COMMIT;
    assert.deepEqual(await read(place, 'config.json'), FILES['config.json']);
    assert.ok((await read(place, WEIGHTS_FILE)).equals(WEIGHTS));
    assert.equal(hub.requests.filter(({ path }) => path.startsWith('/api/models/')).length, 1);
    assert.ok(hub.requests.every(({ path }) => !path.includes('/resolve/') || path.includes(`/resolve/${COMMIT}/`)));
  });

  it('may be named by a tag, or by a commit, for which nothing is asked', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const tagged = await openHub({ ...main, revision: 'v1' }, optionsFor(hub));
    assert.equal(tagged.origin, `hf:medical/sam@${OLD_COMMIT}`);
    assert.equal((await read(tagged, 'config.json')).toString(), '{}');
    const before = hub.requests.length;
    const pinned = await openHub({ ...main, revision: COMMIT }, optionsFor(hub));
    assert.equal(pinned.origin, `hf:medical/sam@${COMMIT}`);
    assert.equal(hub.requests.length, before);
  });

  it('says what a file is before it is fetched: its size and, of weights, their SHA-256', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const place = await openHub(main, optionsFor(hub));
    const sha256 = createHash('sha256').update(WEIGHTS).digest('hex');
    const state = await place.state(WEIGHTS_FILE);
    assert.deepEqual([state?.bytes, state?.version], [WEIGHTS.length, sha256]);
    assert.equal(await place.state('pytorch_model.bin'), null);
    assert.equal(await place.open('pytorch_model.bin'), null);
    assert.deepEqual(storageRanges(hub), []);
    assert.equal((await place.open(WEIGHTS_FILE))?.sha256, sha256);
  });

  it('is fetched on from where the line was cut, each time by a fresh signature, and only until it is whole', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    hub.troubles.storage = [100_000, 50_000, 1, 80_000].map((count) => cutAfter(WEIGHTS, count));
    const told: number[] = [];
    const options = optionsFor(hub, { onProgress: (_, done, total) => told.push(done / total) });
    const place = await openHub(main, options);
    assert.ok((await read(place, WEIGHTS_FILE)).equals(WEIGHTS));
    assert.deepEqual(storageRanges(hub), [
      undefined,
      'bytes=100000-',
      'bytes=150000-',
      'bytes=150001-',
      'bytes=230001-',
    ]);
    assert.equal(told.at(-1), 1);
    assert.deepEqual(
      told,
      [...told].sort((a, b) => a - b),
    );
    await place.open(WEIGHTS_FILE);
    assert.equal(storageRanges(hub).length, 5);
  });

  it('is fetched on by the next process from what the one before has left', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const stop = new AbortController();
    hub.troubles.storage = [cutAfter(WEIGHTS, 120_000)];
    const options = optionsFor(hub, {
      signal: stop.signal,
      onProgress: (_, done) => void (done >= 120_000 && stop.abort(new Error('stopped'))),
    });
    await assert.rejects((await openHub(main, options)).open(WEIGHTS_FILE), /stopped/);
    const place = await openHub(main, { ...options, signal: undefined, onProgress: undefined });
    assert.ok((await read(place, WEIGHTS_FILE)).equals(WEIGHTS));
    assert.equal(storageRanges(hub).at(-1), 'bytes=120000-');
  });

  it('takes no more room when it is given back', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const options = optionsFor(hub);
    const place = await openHub(main, options);
    await place.open(WEIGHTS_FILE);
    assert.equal((await readdir(join(options.cacheDir, 'hub'))).length, 1);
    await place.discard();
    assert.deepEqual(await readdir(join(options.cacheDir, 'hub')), []);
  });

  it('is fetched once more where its SHA-256 is wrong, and refused where it is wrong again', async () => {
    const damaged = Buffer.from(WEIGHTS);
    damaged[1000]! ^= 1;
    const send: Trouble = (_, response) => response.end(damaged);
    const hub = await startHub({ 'medical/sam': model() });
    hub.troubles.storage = [send];
    const place = await openHub(main, optionsFor(hub));
    assert.ok((await read(place, WEIGHTS_FILE)).equals(WEIGHTS));

    hub.troubles.storage = [send, send];
    const options = optionsFor(hub);
    const again = await openHub(main, options);
    await assertRejectsWithFault(
      again.open(WEIGHTS_FILE),
      'HUB_DIGEST',
      /model\.safetensors: found SHA-256 [0-9a-f]{64}, twice/,
    );
    const [folder] = await readdir(join(options.cacheDir, 'hub'));
    assert.deepEqual(await readdir(join(options.cacheDir, 'hub', folder!)), []);
  });

  it('notices that what was left on the disk is not the beginning of the file', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const options = optionsFor(hub);
    const stop = new AbortController();
    const first = { ...options, signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) };
    await assert.rejects((await openHub(main, first)).open(WEIGHTS_FILE), /stopped/);
    const [folder] = await readdir(join(options.cacheDir, 'hub'));
    await writeFile(join(options.cacheDir, 'hub', folder!, `${WEIGHTS_FILE}.part`), randomBytes(1000));
    assert.ok((await read(await openHub(main, options), WEIGHTS_FILE)).equals(WEIGHTS));
    assert.ok((await readFile(join(options.cacheDir, 'hub', folder!, WEIGHTS_FILE))).equals(WEIGHTS));
  });

  it('that was renamed is found under its old name', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    hub.renamed['old/name'] = 'medical/sam';
    const place = await openHub({ ...main, repository: 'old/name' }, optionsFor(hub));
    assert.ok((await read(place, WEIGHTS_FILE)).equals(WEIGHTS));
  });

  it('bears a hub that is busy, and gives up after a while with a sentence', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    hub.troubles.hub = [status(500), status(429), status(503)];
    assert.equal((await openHub(main, optionsFor(hub))).origin, `hf:medical/sam@${COMMIT}`);
    hub.troubles.hub = Array.from({ length: 6 }, () => status(502));
    const { host } = new URL(hub.url);
    await assertRejectsWithFault(
      openHub(main, optionsFor(hub)),
      'HUB_UNREACHABLE',
      new RegExp(`^hf:medical/sam@main: found HTTP 502, expected an answer from ${host}\\. Check the network.*`),
    );
  });
});

describe('the token of the hub', () => {
  it('goes to the hub and to nobody else, and opens what it may open', async () => {
    const hub = await startHub({ 'medical/sam': model({ tokens: [TOKEN] }) });
    const place = await openHub(main, optionsFor(hub, { token: TOKEN }));
    assert.ok((await read(place, WEIGHTS_FILE)).equals(WEIGHTS));
    assert.deepEqual(await read(place, 'config.json'), FILES['config.json']);
    for (const { server, authorization } of hub.requests) {
      assert.equal(authorization, server === 'hub' ? `Bearer ${TOKEN}` : undefined);
    }
    assert.equal(storageRanges(hub).length, 1);
  });

  const REFUSALS: [
    claim: string,
    more: Partial<HubModel>,
    options: Partial<HubOptions>,
    code: string,
    message: RegExp,
  ][] = [
    [
      'a private model without a token is refused, and HF_TOKEN is named',
      { tokens: [TOKEN] },
      {},
      'HUB_DENIED',
      /found HTTP 401 \(RepoNotFound\), expected a model that may be read\. Check owner and name; for a private or gated model set HF_TOKEN on the io worker/,
    ],
    [
      'a private model with the token of another is not found',
      { tokens: [TOKEN] },
      { token: 'hf_another' },
      'HUB_MISSING',
      /found HTTP 404 \(RepoNotFound\)/,
    ],
  ];
  for (const [claim, more, options, code, message] of REFUSALS) {
    it(claim, async () => {
      const hub = await startHub({ 'medical/sam': model(more) });
      await assertRejectsWithFault(openHub(main, optionsFor(hub, options)), code, message);
      assert.equal(hub.requests.length, 1, 'asked again, although the answer would be the same');
    });
  }

  it('does not open a gated model whose terms nobody has accepted: the page of the model is named', async () => {
    const hub = await startHub({ 'medical/sam': model({ gated: true }) });
    const place = await openHub(main, optionsFor(hub, { token: TOKEN }));
    await assertRejectsWithFault(
      place.open('config.json'),
      'HUB_DENIED',
      /HTTP 403 \(GatedRepo\).*the token in HF_TOKEN of the io worker is valid; a gated model asks its reader to accept its terms on its page/,
    );
  });

  it('stands in no error, whatever goes wrong', async () => {
    const hub = await startHub({ 'medical/sam': model({ gated: true }) });
    const options = optionsFor(hub, { token: TOKEN });
    const errors: unknown[] = [];
    const attempt = async (call: () => Promise<unknown>) => errors.push(await call().catch((error: unknown) => error));
    await attempt(() => openHub({ ...main, revision: 'nowhere' }, options));
    await attempt(async () => (await openHub(main, options)).open('config.json'));
    hub.troubles.hub = Array.from({ length: 6 }, () => (request) => request.socket.destroy());
    await attempt(() => openHub(main, options));
    hub.troubles.hub = [status(418)];
    await attempt(() => openHub(main, options));
    hub.troubles.hub = [(_, response) => response.end('<html>')];
    await attempt(() => openHub(main, options));
    const codes = errors.map((error) => (error as { code: string }).code);
    assert.deepEqual(codes, ['HUB_MISSING', 'HUB_DENIED', 'HUB_UNREACHABLE', 'HUB_REFUSED', 'HUB_ANSWER']);
    const { inspect } = await import('node:util');
    for (const error of errors) assert.ok(!inspect(error, { depth: 10, showHidden: true }).includes(TOKEN));
  });
});

describe('what is no model of the hub', () => {
  it('is named: the model, the revision', async () => {
    const hub = await startHub({ 'medical/sam': model() });
    const withToken = { token: TOKEN };
    await assertRejectsWithFault(
      openHub({ ...main, repository: 'medical/sum' }, optionsFor(hub, withToken)),
      'HUB_MISSING',
      /^hf:medical\/sum@main: found HTTP 404 \(RepoNotFound\), expected a model on the hub\. Check owner, name and revision/,
    );
    await assertRejectsWithFault(
      openHub({ ...main, revision: 'v9' }, optionsFor(hub)),
      'HUB_MISSING',
      /^hf:medical\/sam@v9: found HTTP 404 \(RevisionNotFound\)/,
    );
    const unknown = await openHub({ ...main, revision: 'c'.repeat(40) }, optionsFor(hub));
    await assertRejectsWithFault(unknown.open('config.json'), 'HUB_MISSING', /RevisionNotFound/);
  });

  it('is told from a hub at all: another server under HF_ENDPOINT', async () => {
    const hub = await startHub();
    for (const body of ['<html>\nhello', '{}', '{"sha": "main"}']) {
      hub.troubles.hub = [(_, response) => response.writeHead(200).end(body)];
      await assertRejectsWithFault(
        openHub(main, optionsFor(hub)),
        'HUB_ANSWER',
        /Check that HF_ENDPOINT of the io worker is the address of a Hugging Face hub/,
      );
    }
  });
});
