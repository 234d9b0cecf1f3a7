import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { fetchWithin } from '../../../lib/http/fetch-within.ts';
import { OutOfReach, reachOf } from '../../../lib/http/reach.ts';
import { listen } from '../../helpers/hub.ts';

const HERE = reachOf(['private']);
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that counts who asked with which authorization. */
async function site(handle: Handler): Promise<{ url: string; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const { url } = await listen((request, response) => {
    seen.push(request.headers.authorization);
    handle(request, response);
  });
  return { url, seen };
}
const ask = (url: string, redirect: 'follow' | 'manual' = 'follow', signal = new AbortController().signal) =>
  fetchWithin(HERE, url, { headers: { Authorization: 'Bearer of the first' }, redirect, signal });

describe('a request within reach', () => {
  it('gives what fetch gives: status, headers, body and the last address', async () => {
    const { url } = await site((_, response) => response.writeHead(206, { 'content-range': 'bytes 0-2/9' }).end('abc'));
    const response = await ask(`${url}/a`);
    assert.deepEqual([response.status, response.ok, response.url], [206, true, `${url}/a`]);
    assert.equal(response.headers.get('content-range'), 'bytes 0-2/9');
    assert.equal(await response.text(), 'abc');
  });

  it('takes what it was trusted with along within a site, and not to another one', async () => {
    const far = await site((_, response) => response.end('far'));
    const near = await site((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: '/b' }).end();
      else response.writeHead(307, { location: far.url }).end();
    });
    assert.equal(await (await ask(`${near.url}/a`)).text(), 'far');
    assert.deepEqual(near.seen, ['Bearer of the first', 'Bearer of the first']);
    assert.deepEqual(far.seen, [undefined]);
  });

  it('hands a redirection back where it is told to, and gives up on those that do not end', async () => {
    const round = await site((_, response) => response.writeHead(302, { location: '/' }).end());
    const response = await ask(round.url, 'manual');
    assert.deepEqual([response.status, response.headers.get('location')], [302, '/']);
    await response.body?.cancel();
    await assert.rejects(ask(round.url), /more than 5 redirections/);
    assert.equal(round.seen.length, 7);
  });

  it('takes an answer without a body for one', async () => {
    const { url } = await site((_, response) => response.writeHead(204).end());
    const response = await ask(url);
    assert.deepEqual([response.status, response.body], [204, null]);
  });

  it('ends with its signal, before the answer and within it', async () => {
    const silent = await site(() => undefined);
    await assert.rejects(ask(silent.url, 'follow', AbortSignal.timeout(50)), { name: 'AbortError' });
    const slow = await site((_, response) => void response.writeHead(200).write('a'));
    const response = await ask(slow.url, 'follow', AbortSignal.timeout(200));
    await assert.rejects(response.text());
  });

  it('asks nobody out of reach', async () => {
    const { url, seen } = await site((_, response) => response.end());
    const asked = { headers: {}, redirect: 'follow', signal: new AbortController().signal } as const;
    await assert.rejects(fetchWithin(reachOf([]), url, asked), OutOfReach);
    await assert.rejects(fetchWithin(reachOf([]), url.replace('127.0.0.1', 'localhost'), asked), OutOfReach);
    assert.deepEqual(seen, []);
  });
});
