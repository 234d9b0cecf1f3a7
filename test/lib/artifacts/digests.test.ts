import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { hashedOnce } from '../../../lib/artifacts/digests.ts';

/** The headers of a request, when it has gone through the middleware. */
async function headersOf(commandName: string, input: object): Promise<Record<string, string>> {
  const request = { headers: {} as Record<string, string> };
  await hashedOnce(async () => undefined, { commandName })({ input, request });
  return request.headers;
}

describe('bytes on their way to S3 and back', () => {
  const Body = Buffer.from('a volume');
  const digest = createHash('sha256').update(Body).digest();

  it('are signed by the digest that the server checks', async () =>
    assert.deepEqual(await headersOf('PutObjectCommand', { Body, ChecksumSHA256: digest.toString('base64') }), {
      'x-amz-content-sha256': digest.toString('hex'),
    }));

  it('are hashed by the client where nobody has done it', async () =>
    assert.deepEqual(await headersOf('PutObjectCommand', { Body }), {}));

  it('are no part of a request without a body', async () =>
    assert.deepEqual(await headersOf('HeadObjectCommand', { ChecksumSHA256: digest.toString('base64') }), {}));

  it('come with the digest that the server keeps', async () =>
    assert.deepEqual(await headersOf('GetObjectCommand', {}), { 'x-amz-checksum-mode': 'ENABLED' }));
});
