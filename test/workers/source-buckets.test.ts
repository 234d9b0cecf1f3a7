import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { S3Store } from '../../lib/artifacts/s3-store.ts';
import { reachOf } from '../../lib/http/reach.ts';
import { readWorkerConfig } from '../../workers/config.ts';
import { SourceBuckets } from '../../workers/source-buckets.ts';
import { assertFault, assertRejectsWithFault } from '../helpers/faults.ts';
import { listen } from '../helpers/hub.ts';

const STORE = { SAMFLOW_S3_ACCESS_KEY_ID: 'STOREKEY', SAMFLOW_S3_SECRET_ACCESS_KEY: 'store secret' };
const OWN = { SAMFLOW_SOURCE_S3_ACCESS_KEY_ID: 'SOURCEKEY', SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY: 'source secret' };

interface Server {
  url: string;
  /** Path and account of each request; null where it is not signed. */
  requests: [path: string, account: string | null][];
  connections: number;
}

async function startServer(): Promise<Server> {
  const { url, server } = await listen((request, response) => {
    const account = /Credential=([^/]*)\//.exec(request.headers.authorization ?? '')?.[1] ?? null;
    known.requests.push([request.url!.split('?')[0]!, account]);
    response.writeHead(200, { etag: '"1"', 'content-length': 3 }).end('abc');
  });
  const known: Server = { url, requests: [], connections: 0 };
  server.on('connection', () => {
    known.connections += 1;
  });
  return known;
}

describe('the buckets of sources', async () => {
  const [storeServer, sourceServer, foreign] = [await startServer(), await startServer(), await startServer()];
  const closing: { close(): void }[] = [];
  after(() => {
    for (const one of closing) one.close();
  });
  const open = (env: Record<string, string>, hosts = ['private']) => {
    const config = readWorkerConfig(['cpu'], { ...STORE, SAMFLOW_S3_ENDPOINT: storeServer.url, ...env });
    const store = new S3Store(config.store);
    const buckets = new SourceBuckets(store, config, reachOf(hosts));
    closing.push(store, buckets);
    return buckets;
  };
  const own = { ...OWN, SAMFLOW_SOURCE_S3_ENDPOINT: sourceServer.url };

  for (const [what, env, endpoint, server, account] of [
    ['lie beside the store where nothing else is said', {}, undefined, storeServer, 'STOREKEY'],
    ['lie beside the store where its server is named', {}, storeServer.url, storeServer, 'STOREKEY'],
    ['lie on a server of their own, under an account of their own', own, undefined, sourceServer, 'SOURCEKEY'],
    ['lie there too where it is named', own, `${sourceServer.url}/`, sourceServer, 'SOURCEKEY'],
    ['are asked without a signature on any other server', own, foreign.url, foreign, null],
    ['are asked so without an account, too', {}, foreign.url, foreign, null],
    [
      'are asked so on a server that has no account',
      { SAMFLOW_SOURCE_S3_ENDPOINT: sourceServer.url },
      undefined,
      sourceServer,
      null,
    ],
  ] as const) {
    it(what, async () => {
      const before = server.requests.length;
      const bucket = open(env).open({ bucket: 'scans', endpoint });
      const object = await bucket.get('ct.nii');
      assert.equal(Buffer.from(object!.bytes).toString(), 'abc');
      assert.deepEqual(server.requests.slice(before), [['/scans/ct.nii', account]]);
    });
  }

  it('are asked over one connection for each server', async () => {
    const buckets = open(own);
    const before = foreign.connections;
    for (const bucket of ['scans', 'masks']) await buckets.open({ bucket, endpoint: foreign.url }).head('a');
    assert.deepEqual(
      foreign.requests.slice(-2).map(([path]) => path),
      ['/scans/a', '/masks/a'],
    );
    assert.equal(foreign.connections, before + 1);
  });

  it('are not asked for at addresses that only the worker can reach, unless these are allowed', async () => {
    const before = foreign.requests.length;
    const at = (endpoint: string) => open(own, []).open({ bucket: 'scans', endpoint });
    assertFault(() => at(foreign.url), 'SOURCE_FORBIDDEN', /127\.0\.0\.1.*SAMFLOW_SOURCE_HOSTS/);
    assertFault(() => at('http://169.254.169.254'), 'SOURCE_FORBIDDEN');
    // The name is looked up by the client, which tells what it met in its own words.
    const named = foreign.url.replace('127.0.0.1', 'localhost');
    await assertRejectsWithFault(at(named).head('a'), 'STORE_UNREACHABLE', /OutOfReach/);
    assert.equal(foreign.requests.length, before);
    // The servers of the environment are the operator's own.
    assert.ok(await open(own, []).open({ bucket: 'scans' }).get('ct.nii'));
  });

  it('need both halves of an account', () =>
    assert.throws(
      () => readWorkerConfig(['cpu'], { SAMFLOW_SOURCE_S3_ACCESS_KEY_ID: 'SOURCEKEY' }),
      /SAMFLOW_SOURCE_S3_ACCESS_KEY_ID: found a value that cannot be used, expected both/,
    ));
});
