import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { kindOf, type RequestOutcome } from '../../../lib/artifacts/requests.ts';
import { S3Store } from '../../../lib/artifacts/s3-store.ts';
import { PreconditionFailed } from '../../../lib/artifacts/store.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';

const OBJECT = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
const ETAG = '"etag-1"';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that gives one scripted answer per request, and the last of them from then on. */
async function storeAt(
  ...answers: Answer[]
): Promise<{ store: S3Store; requests: IncomingMessage[]; observed: [string, RequestOutcome][]; close: () => void }> {
  const observed: [string, RequestOutcome][] = [];
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => answers[Math.min(requests.push(request), answers.length) - 1]!(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const store = new S3Store({
    ...{ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket: 'samflow' },
    ...{ accessKeyId: 'key', secretAccessKey: 'secret', timeoutMs: 300 },
    observe: (operation) => (outcome) => void observed.push([operation, outcome]),
  });
  const close = () => {
    store.close();
    server.closeAllConnections();
    server.close();
  };
  return { store, requests, observed, close };
}

/** The object, or the range that was asked for. */
const give: Answer = (request, response) => {
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
  const body = OBJECT.subarray(Number(from ?? 0), to ? Number(to) + 1 : undefined);
  response.writeHead(from === undefined ? 200 : 206, { etag: ETAG, 'content-length': body.length }).end(body);
};
const cutAfter =
  (bytes: number): Answer =>
  (_, response) => {
    response.writeHead(200, { etag: ETAG, 'content-length': OBJECT.length });
    response.write(OBJECT.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };
const stallAfter =
  (bytes: number): Answer =>
  (_, response) => {
    response.writeHead(200, { etag: ETAG, 'content-length': OBJECT.length });
    response.write(OBJECT.subarray(0, bytes));
  };
const refuse =
  (status: number, code: string): Answer =>
  (_, response) =>
    response
      .writeHead(status, { 'content-type': 'application/xml' })
      .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
const html: Answer = (_, response) =>
  response.writeHead(500, { 'content-type': 'text/html' }).end('<html><p>oops</html>');
const accept: Answer = (_, response) => response.writeHead(200, { etag: ETAG }).end();
const silence: Answer = () => undefined;

describe('S3 store, on a bad line', () => {
  const open: (() => void)[] = [];
  after(() => {
    for (const close of open) close();
  });
  const start = async (...answers: Answer[]) => {
    const started = await storeAt(...answers);
    open.push(started.close);
    return started;
  };

  it('goes on by range where a body broke off, and only if the object is the same', async () => {
    const { store, requests } = await start(cutAfter(60_000), give);
    const read = await store.get('a');
    assert.equal(Buffer.compare(read!.bytes, OBJECT), 0);
    assert.deepEqual(
      requests.map(({ headers }) => [headers.range, headers['if-match']]),
      [
        [undefined, undefined],
        ['bytes=60000-', ETAG],
      ],
    );
  });

  it('goes on inside a range', async () => {
    const { store, requests } = await start((_, response) => {
      response.writeHead(206, { etag: ETAG, 'content-length': 1000 });
      response.write(OBJECT.subarray(500, 900), () => setTimeout(() => response.destroy(), 20));
    }, give);
    const read = await store.get('a', { from: 500, to: 1500 });
    assert.equal(Buffer.compare(read!.bytes, OBJECT.subarray(500, 1500)), 0);
    assert.deepEqual(
      requests.map(({ headers }) => headers.range),
      ['bytes=500-1499', 'bytes=900-1499'],
    );
  });

  it('does not wait for ever for a body that stalls', async () => {
    const { store } = await start(stallAfter(1000), give);
    assert.equal(Buffer.compare((await store.get('a'))!.bytes, OBJECT), 0);
  });

  it('starts over when the object was replaced between two parts', async () => {
    const { store, requests } = await start(cutAfter(1000), refuse(412, 'PreconditionFailed'), give);
    assert.equal(Buffer.compare((await store.get('a'))!.bytes, OBJECT), 0);
    assert.equal(requests.length, 3);
  });

  it('reads again when the checksum of the whole was wrong', async () => {
    const wrong = createHash('sha256').update('else').digest('base64');
    const { store, requests } = await start((_, response) => {
      const headers = { etag: ETAG, 'content-length': OBJECT.length, 'x-amz-checksum-sha256': wrong };
      response.writeHead(200, headers).end(OBJECT);
    }, give);
    assert.equal(Buffer.compare((await store.get('a'))!.bytes, OBJECT), 0);
    assert.equal(requests[1]?.headers.range, undefined);
  });

  it('calls an object corrupt whose checksum is wrong each time', async () => {
    const wrong = createHash('sha256').update('else').digest('base64');
    const { store } = await start((_, response) => {
      const headers = { etag: ETAG, 'content-length': OBJECT.length, 'x-amz-checksum-sha256': wrong };
      response.writeHead(200, headers).end(OBJECT);
    });
    await assertRejectsWithFault(store.get('a'), 'ARTIFACT_CORRUPT', /samflow\/a: .*Delete this object/);
  });

  it('tells of every request what it was and came to, and of no key', async () => {
    const { store, observed } = await start(
      give,
      refuse(503, 'SlowDown'),
      accept,
      refuse(412, 'PreconditionFailed'),
      html,
    );
    await store.get('secret-key');
    await store.put('secret-key', Buffer.from('12345'));
    await assert.rejects(store.put('secret-key', Buffer.from('1'), { ifNoneMatch: '*' }));
    await assert.rejects(store.get('secret-key'));
    assert.deepEqual(
      observed.map(([operation, outcome]) => [operation, kindOf(outcome), outcome]),
      [
        ['GetObject', 'ok', { status: 200, attempts: 1, sentBytes: 0, receivedBytes: OBJECT.length }],
        ['PutObject', 'ok', { status: 200, attempts: 2, sentBytes: 5, receivedBytes: 0 }],
        ['PutObject', 'refused', { status: 412, attempts: 1, sentBytes: 1, receivedBytes: 0 }],
        ['GetObject', 'error', { status: 500, attempts: 4, sentBytes: 0, receivedBytes: 0 }],
      ],
    );
  });

  it('repeats a write that the server could not take', async () => {
    const { store, requests } = await start(refuse(503, 'SlowDown'), refuse(503, 'SlowDown'), accept);
    assert.deepEqual(await store.put('a', OBJECT), { etag: ETAG });
    assert.equal(requests.length, 3);
  });

  it('repeats a conditional write when the server could not decide', async () => {
    const { store, requests } = await start(refuse(409, 'ConditionalRequestConflict'), accept);
    await store.put('a', OBJECT, { ifNoneMatch: '*' });
    assert.equal(requests.length, 2);
    assert.equal(requests[1]?.headers['if-none-match'], '*');
  });

  it('tells a failed precondition from every other failure', async () => {
    const { store } = await start(refuse(412, 'PreconditionFailed'));
    await assert.rejects(store.put('a', OBJECT, { ifNoneMatch: '*' }), PreconditionFailed);
  });

  for (const [what, answer, code, message] of [
    ['a refusal', refuse(403, 'AccessDenied'), 'STORE_DENIED', /HTTP 403.*S3 credentials/],
    ['a bucket that is not there', refuse(404, 'NoSuchBucket'), 'STORE_BUCKET_MISSING', /bucket samflow/],
    ['an error page', html, 'STORE_FAILED', /HTTP 500/],
    ['lasting overload', refuse(503, 'SlowDown'), 'STORE_FAILED', /HTTP 503/],
    ['silence', silence, 'STORE_UNREACHABLE', /expected an answer from http:\/\/127/],
  ] as const) {
    it(`says what to do about ${what}, for reads and writes alike`, async () => {
      const { store } = await start(answer);
      await Promise.all([
        assertRejectsWithFault(store.get('a'), code, message),
        assertRejectsWithFault(store.put('a', OBJECT), code, message),
      ]);
    });
  }

  it('knows whether deleted objects stay as old versions, where it may ask', async () => {
    const versioning =
      (status: string): Answer =>
      (_, response) =>
        response
          .writeHead(200, { 'content-type': 'application/xml' })
          .end(
            `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${status}</VersioningConfiguration>`,
          );
    const status = (word: string): Answer => versioning(`<Status>${word}</Status>`);
    for (const [answer, expected] of [
      [status('Enabled'), true],
      [status('Suspended'), true],
      [versioning(''), false],
      [refuse(403, 'AccessDenied'), null],
      [refuse(501, 'NotImplemented'), null],
    ] as const) {
      const { store, requests } = await start(answer);
      assert.equal(await store.keepsVersions(), expected);
      assert.match(requests[0]!.url!, /^\/samflow\/?\?versioning/);
    }
  });

  it('gives up a body that breaks off again and again', async () => {
    const { store, requests } = await start((request, response) => {
      const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(206, { etag: ETAG, 'content-length': OBJECT.length - from });
      response.write(OBJECT.subarray(from, from + 10), () => setTimeout(() => response.destroy(), 5));
    });
    await assertRejectsWithFault(store.get('a'), 'STORE_UNREACHABLE');
    assert.equal(requests.length, 5);
  });

  it('names the address nobody listens at', async () => {
    const { store, close } = await storeAt(give);
    close();
    await assertRejectsWithFault(store.get('a'), 'STORE_UNREACHABLE', /samflow\/a: found ECONNREFUSED/);
    await assertRejectsWithFault(store.ensureBucket(), 'STORE_UNREACHABLE', /Check that the S3 server runs/);
  });
});
