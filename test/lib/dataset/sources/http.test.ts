import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { httpArchive } from '../../../../lib/dataset/sources/http.ts';
import { fingerprintSource, openSource } from '../../../../lib/dataset/sources/open.ts';
import { downloadArchive, type RemoteOptions } from '../../../../lib/dataset/sources/remote-archive.ts';
import { reachOf } from '../../../../lib/http/reach.ts';
import { scratchFolder, tarOf, writeArchive } from '../../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';

const scratch = await scratchFolder();
const SCAN = randomBytes(300_000);
const ARCHIVE = await writeArchive(join(scratch, 'made.zip'), [{ path: 'a/scan.nii', content: SCAN, compress: false }]);
const SHA256 = createHash('sha256').update(ARCHIVE).digest('hex');

/** What a request is answered with instead of the file. */
type Trouble = (request: IncomingMessage, response: ServerResponse) => void;

interface Site {
  url: string;
  requests: { range: string | undefined; ifRange: string | string[] | undefined }[];
  /** The first of them answers the next request; without any the file is served. */
  troubles: Trouble[];
  headers: Record<string, string>;
  ranges: boolean;
  body: Buffer;
}

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

async function startSite(): Promise<Site> {
  const server = createServer((request, response) => {
    const { range, 'if-range': ifRange } = request.headers;
    site.requests.push({ range, ifRange });
    const trouble = site.troubles.shift();
    if (trouble) trouble(request, response);
    else serve(site, range, ifRange, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sets/lungs.zip?signature=secret`;
  const site: Site = { url, requests: [], troubles: [], headers: { etag: '"v1"' }, ranges: true, body: ARCHIVE };
  return site;
}

/** As servers do it: a range only if the validator still holds, and only of the bytes there are. */
function serve(
  site: Site,
  range: string | undefined,
  ifRange: string | string[] | undefined,
  response: ServerResponse,
) {
  const { headers, body } = site;
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(range ?? '') ?? [];
  const holds = ifRange === undefined || ifRange === headers.etag || ifRange === headers['last-modified'];
  if (!site.ranges || from === undefined || !holds) {
    response.writeHead(200, { ...headers, 'content-length': body.length }).end(body);
    return;
  }
  const part = body.subarray(Number(from), to ? Number(to) + 1 : undefined);
  if (part.length === 0) return void response.writeHead(416, headers).end();
  const contentRange = `bytes ${from}-${Number(from) + part.length - 1}/${body.length}`;
  response.writeHead(206, { ...headers, 'content-range': contentRange, 'content-length': part.length }).end(part);
}

const status =
  (code: number, headers: Record<string, string> = {}): Trouble =>
  (_, response) =>
    void response.writeHead(code, headers).end('no');
const reset: Trouble = (request) => void request.socket.destroy();
/** Sends up to this byte of the file, wherever the request begins, and cuts the line. */
const cutAt =
  (end: number): Trouble =>
  (request, response) => {
    const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const contentRange = `bytes ${from}-${ARCHIVE.length - 1}/${ARCHIVE.length}`;
    response.writeHead(from > 0 ? 206 : 200, {
      ...{ etag: '"v1"', 'content-length': ARCHIVE.length - from },
      ...(from > 0 && { 'content-range': contentRange }),
    });
    response.write(ARCHIVE.subarray(from, end), () => setTimeout(() => response.destroy(), 20));
  };
const stallAt =
  (end: number): Trouble =>
  (_, response) => {
    response.writeHead(200, { etag: '"v1"', 'content-length': ARCHIVE.length });
    response.write(ARCHIVE.subarray(0, end));
  };
/** The probe comes first in every download; this lets it pass. */
const fine =
  (site: Site): Trouble =>
  (request, response) =>
    serve(site, request.headers.range, request.headers['if-range'], response);

let caches = 0;
const freshOptions = (): RemoteOptions => ({ cacheDir: join(scratch, `cache-${caches++}`), backOffMs: 5, idleMs: 250 });
const source = (site: Site, sha256?: string) => ({ kind: 'http' as const, url: site.url, ...(sha256 && { sha256 }) });
const partsIn = async ({ cacheDir }: RemoteOptions) =>
  (await readdir(join(cacheDir, 'http'))).filter((name) => name.endsWith('.part'));

async function assertWhole(site: Site, options: RemoteOptions, sha256?: string): Promise<void> {
  const opened = await openSource(source(site, sha256), options);
  assert.deepEqual(opened.files, [{ path: 'a/scan.nii', bytes: SCAN.length }]);
  assert.equal(Buffer.compare(await opened.read('a/scan.nii'), SCAN), 0);
  await opened.close();
  assert.deepEqual(await partsIn(options), []);
}

describe('HTTP source', () => {
  it('fetches an archive once; after that it only asks whether it is still the same', async () => {
    const site = await startSite();
    const options = freshOptions();
    await assertWhole(site, options);
    await assertWhole(site, options);
    assert.deepEqual(
      site.requests.map(({ range }) => range),
      ['bytes=0-0', undefined, 'bytes=0-0'],
    );
  });

  it('asks nothing at all where the hash says what the file is', async () => {
    const site = await startSite();
    const options = freshOptions();
    await assertWhole(site, options, SHA256);
    const before = site.requests.length;
    await assertWhole(site, options, SHA256);
    await fingerprintSource(source(site, SHA256), options);
    assert.equal(site.requests.length, before);
  });

  it('tells how far it is', async () => {
    const site = await startSite();
    const told: [number, number | null][] = [];
    await downloadArchive(httpArchive(source(site)), {
      ...freshOptions(),
      onProgress: (done, total) => told.push([done, total]),
    });
    assert.deepEqual(told.at(-1), [ARCHIVE.length, ARCHIVE.length]);
  });

  it('goes on where the line was cut, as often as it takes, if the file is the same', async () => {
    const site = await startSite();
    site.troubles = [fine(site), ...[50_000, 90_000, 130_000, 170_000, 200_000, 230_000, 260_000].map(cutAt)];
    await assertWhole(site, freshOptions());
    const [, first, ...rest] = site.requests;
    assert.deepEqual(first, { range: undefined, ifRange: undefined });
    assert.deepEqual(
      rest.map(({ range }) => range),
      [50_000, 90_000, 130_000, 170_000, 200_000, 230_000, 260_000].map((offset) => `bytes=${offset}-`),
    );
    assert.ok(rest.every(({ ifRange }) => ifRange === '"v1"'));
  });

  it('goes on in a later process where an earlier one gave up', async () => {
    const site = await startSite();
    const options = freshOptions();
    const controller = new AbortController();
    site.troubles = [fine(site), stallAt(100_000)];
    const first = openSource(source(site), {
      ...{ ...options, idleMs: 10_000, signal: controller.signal },
      onProgress: (done: number) => done >= 100_000 && controller.abort(new Error('cancelled')),
    });
    await assert.rejects(first, /cancelled/);
    assert.equal((await partsIn(options)).length, 1);
    await assertWhole(site, options);
    assert.equal(site.requests.at(-1)?.range, 'bytes=100000-');
  });

  it('does not wait for ever for a server that falls silent', async () => {
    const site = await startSite();
    site.troubles = [() => undefined, fine(site), stallAt(10_000)];
    await downloadArchive(httpArchive(source(site)), freshOptions());
    assert.equal(site.requests.at(-1)?.range, 'bytes=10000-');
  });

  for (const [what, troubles] of [
    ['503 and 500', [status(503), status(500)]],
    ['too many requests', [status(429, { 'retry-after': '0' })]],
    ['a reset connection', [reset, reset]],
  ] as const) {
    it(`tries again after ${what}`, async () => {
      const site = await startSite();
      site.troubles = [...troubles, fine(site), ...troubles];
      await assertWhole(site, freshOptions());
    });
  }

  for (const [what, make, code, message] of [
    ['401', status(401), 'SOURCE_DENIED', /HTTP 401.*access rights/],
    ['403', status(403), 'SOURCE_DENIED', /a signed address may have expired/],
    ['404', status(404), 'SOURCE_MISSING', /Check `source.url`/],
    ['410', status(410), 'SOURCE_MISSING', /HTTP 410/],
    ['400', status(400), 'SOURCE_REFUSED', /HTTP 400/],
    ['a login page', status(200, { 'content-type': 'text/html; charset=utf-8' }), 'SOURCE_WEB_PAGE', /needs a login/],
  ] as const) {
    it(`does not repeat a request that is answered by ${what}, and keeps the query to itself`, async () => {
      const site = await startSite();
      site.troubles = Array.from({ length: 9 }, () => make);
      await assertRejectsWithFault(openSource(source(site), freshOptions()), code, message);
      await assertRejectsWithFault(fingerprintSource(source(site), freshOptions()), code, /^lungs\.zip: (?!.*secret)/);
      assert.equal(site.requests.length, 2);
    });
  }

  it('gives up after six tries that bring nothing', async () => {
    const site = await startSite();
    site.troubles = Array.from({ length: 20 }, () => status(503));
    await assertRejectsWithFault(
      downloadArchive(httpArchive(source(site)), freshOptions()),
      'SOURCE_UNREACHABLE',
      /found HTTP 503/,
    );
    assert.equal(site.requests.length, 6);
  });

  it('names the reason when nobody answers', async () => {
    const url = 'http://127.0.0.1:9/lungs.zip';
    await assertRejectsWithFault(
      fingerprintSource({ kind: 'http', url }, freshOptions()),
      'SOURCE_UNREACHABLE',
      /ECONNREFUSED|bad port/,
    );
  });

  it('fetches from servers that know no ranges, from the beginning each time', async () => {
    const site = await startSite();
    site.ranges = false;
    site.troubles = [fine(site), cutAt(50_000)];
    await assertWhole(site, freshOptions());
  });

  it('fetches from servers that say neither ETag nor date, without mixing two files', async () => {
    const site = await startSite();
    site.headers = {};
    const options = freshOptions();
    await assertWhole(site, options);
    await assertWhole(site, options);
    assert.equal(site.requests.filter(({ range }) => range === undefined).length, 2);
  });

  it('takes no bytes from another place than it asked for', async () => {
    const site = await startSite();
    const elsewhere: Trouble = (_, response) => {
      const contentRange = `bytes 0-${ARCHIVE.length - 1}/${ARCHIVE.length}`;
      const headers = { etag: '"v1"', 'content-range': contentRange, 'content-length': ARCHIVE.length };
      response.writeHead(206, headers).end(ARCHIVE);
    };
    site.troubles = [fine(site), cutAt(50_000), elsewhere];
    await assertWhole(site, freshOptions());
    assert.equal(site.requests.length, 4);
  });

  it('fetches a .tar.gz as well', async () => {
    const site = await startSite();
    site.body = gzipSync(tarOf([{ path: 'a/scan.nii', content: SCAN }]));
    await assertWhole(site, freshOptions());
  });

  it('stops when the file changes under its hands, and forgets the part', async () => {
    const site = await startSite();
    const options = freshOptions();
    site.troubles = [fine(site), cutAt(50_000)];
    const first = site.troubles[1]!;
    site.troubles[1] = (request, response) => {
      first(request, response);
      site.headers = { etag: '"v2"' };
    };
    await assertRejectsWithFault(downloadArchive(httpArchive(source(site)), options), 'SOURCE_CHANGED');
    assert.deepEqual(await partsIn(options), []);
    await assertWhole(site, options);
  });

  it('refuses a file with another hash, and does not keep it', async () => {
    const site = await startSite();
    const options = freshOptions();
    const wrong = '0'.repeat(64);
    await assertRejectsWithFault(openSource(source(site, wrong), options), 'SOURCE_DIGEST', new RegExp(SHA256));
    assert.deepEqual(await readdir(join(options.cacheDir, 'http')), []);
  });

  it('refuses a file that is too large, whether the server says so or not', async () => {
    const site = await startSite();
    const options = { ...freshOptions(), maxBytes: 1000 };
    await assertRejectsWithFault(
      downloadArchive(httpArchive(source(site)), options),
      'SOURCE_TOO_LARGE',
      /at most 1000/,
    );
    assert.equal(site.requests.length, 1);
    const unsaid: Trouble = (_, response) => {
      response.writeHead(200, { etag: '"v1"' });
      response.write(ARCHIVE);
    };
    site.troubles = [unsaid, unsaid];
    await assertRejectsWithFault(downloadArchive(httpArchive(source(site)), options), 'SOURCE_TOO_LARGE');
  });

  for (const [what, url, message] of [
    ['another scheme', 'file:///etc/passwd', /found file:/],
    ['a password', 'https://user:pw@example.org/a.zip', /a password in the address/],
    ['no address at all', 'lungs.zip', /found no address/],
  ] as const) {
    it(`refuses ${what}`, () =>
      assertRejectsWithFault(fingerprintSource({ kind: 'http', url }, freshOptions()), 'SOURCE_URL', message));
  }
});

describe('fingerprint of an HTTP source', () => {
  it('changes with ETag, date and length, and not with a signature in the address', async () => {
    const site = await startSite();
    const options = freshOptions();
    const fingerprint = () => fingerprintSource(source(site), options);
    const first = await fingerprint();
    assert.match(first, /^[0-9a-f]{64}$/);
    site.url = site.url.replace('secret', 'renewed');
    assert.equal(await fingerprint(), first);
    const seen = new Set([first]);
    site.headers = { etag: '"v2"' };
    seen.add(await fingerprint());
    site.headers = { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    seen.add(await fingerprint());
    site.body = ARCHIVE.subarray(0, 1000);
    seen.add(await fingerprint());
    assert.equal(seen.size, 4);
  });

  it('is that of the opened source', async () => {
    const site = await startSite();
    const options = freshOptions();
    for (const sha256 of [undefined, SHA256]) {
      const opened = await openSource(source(site, sha256), options);
      assert.equal(opened.fingerprint, await fingerprintSource(source(site, sha256), options));
      await opened.close();
    }
  });
});

describe('an address that only the worker can reach', () => {
  /** As a worker opens sources that a configuration names. */
  const options = (...hosts: string[]) => {
    const access = { kaggle: {} as never, openBucket: () => assert.fail('no bucket'), reach: reachOf(hosts) };
    return { ...freshOptions(), access };
  };
  const refused = async (url: string, hosts: string[], host: string) =>
    assertRejectsWithFault(
      openSource({ kind: 'http', url }, options(...hosts)),
      'SOURCE_FORBIDDEN',
      new RegExp(`private network \\(${host.replaceAll(/[.[\]]/g, '\\$&')}\\)`),
    );

  it('is not asked, however it is written', async () => {
    const site = await startSite();
    const { port } = new URL(site.url);
    for (const [host, shown] of [
      ['127.0.0.1', '127.0.0.1'],
      ['2130706433', '127.0.0.1'],
      ['0x7f.1', '127.0.0.1'],
      ['0177.0.0.1', '127.0.0.1'],
      ['[::ffff:127.0.0.1]', '::ffff:7f00:1'],
      ['[::1]', '::1'],
      ['localhost', 'localhost'],
      ['169.254.169.254', '169.254.169.254'],
      ['0.0.0.0', '0.0.0.0'],
    ] as const) {
      await refused(`http://${host}:${port}/lungs.zip`, [], shown);
    }
    assert.equal(site.requests.length, 0);
  });

  it('is not asked by way of a redirection either, and no other protocol is', async () => {
    const site = await startSite();
    site.troubles.push(status(302, { location: 'http://169.254.169.254/latest/meta-data' }));
    await refused(site.url, ['private'], '169.254.169.254');
    site.troubles.push(...Array.from({ length: 6 }, () => status(302, { location: 'file:///etc/passwd' })));
    await assertRejectsWithFault(openSource({ kind: 'http', url: site.url }, options('private')), 'SOURCE_UNREACHABLE');
  });

  it('is asked where the worker allows it: by address, by range, by the word for all, or by name', async () => {
    for (const hosts of [['127.0.0.1'], ['127.0.0.0/8'], ['private']]) {
      const opened = await openSource(source(await startSite()), options(...hosts));
      assert.deepEqual(await opened.read('a/scan.nii'), SCAN);
      await opened.close();
    }
    const { url } = await startSite();
    const named = { kind: 'http' as const, url: url.replace('127.0.0.1', 'localhost') };
    await (await openSource(named, options('localhost'))).close();
  });

  it('is fetched as any other: on from where the line was cut, and to a redirection without what was meant for the first', async () => {
    const [site, next] = [await startSite(), await startSite()];
    site.troubles.push(fine(site), cutAt(150_000));
    const opened = await openSource(source(site), options('private'));
    assert.deepEqual(await opened.read('a/scan.nii'), SCAN);
    assert.match(site.requests.at(-1)!.range!, /^bytes=[1-9]/);
    await opened.close();
    const moving = await startSite();
    moving.troubles.push(status(307, { location: next.url }), status(307, { location: next.url }));
    await (await openSource(source(moving), options('private'))).close();
    assert.deepEqual([moving.requests.length, next.requests.length], [2, 2]);
  });
});
