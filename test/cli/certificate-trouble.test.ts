import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { certificateTrouble } from '../../cli/dev/certificate-trouble.ts';

const COMMAND = fileURLToPath(new URL('../../cli/samflow.mjs', import.meta.url));
const FOLDER = new URL('../fixtures/tls/', import.meta.url);
const fixture = (name: string): Buffer => readFileSync(new URL(name, FOLDER));

describe('a Temporal server that cannot be talked to for a certificate', () => {
  const servers: Http2SecureServer[] = [];
  const addresses: Record<string, string> = {};
  before(async () => {
    for (const name of ['expired', 'valid']) {
      const server = createSecureServer({ key: fixture(`${name}.key`), cert: fixture(`${name}.crt`) });
      server.on('sessionError', () => undefined);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      servers.push(server);
      addresses[name] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    }
  });
  after(() => {
    for (const server of servers) server.close();
  });
  const authority = (name: string) => ({ serverRootCACertificate: fixture(`${name}.crt`) });
  const pair = (name: string) => ({ clientCertPair: { crt: fixture(`${name}.crt`), key: fixture(`${name}.key`) } });

  it('is told apart: expired, of another name, of nobody’s, the client’s own', async () => {
    assert.equal(await certificateTrouble(addresses.expired!, authority('expired')), 'a certificate that has expired');
    const named = { ...authority('valid'), serverNameOverride: 'temporal.example' };
    assert.equal(await certificateTrouble(addresses.valid!, named), 'a certificate of another name');
    assert.equal(await certificateTrouble(addresses.valid!, {}), 'a certificate that nobody vouches for');
    const own = { ...authority('valid'), ...pair('expired') };
    assert.match((await certificateTrouble(addresses.valid!, own))!, /^a client certificate that ended on 2020-01-01$/);
  });

  it('is no such server where certificates hold, or where nobody listens', async () => {
    assert.equal(await certificateTrouble(addresses.valid!, { ...authority('valid'), ...pair('valid') }), null);
    assert.equal(await certificateTrouble('127.0.0.1:1', authority('valid')), null);
  });

  it('is told by a command, and soon', { timeout: 30_000 }, async () => {
    const env = {
      ...{ PATH: process.env.PATH, TEMPORAL_ADDRESS: addresses.expired!.replace('127.0.0.1', 'localhost') },
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: fileURLToPath(new URL('expired.crt', FOLDER)),
    };
    const started = performance.now();
    const command = spawn(process.execPath, [COMMAND, 'status'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const [said] = await once(command.stderr, 'data');
    command.kill();
    assert.match(`${said}`, /found a certificate that has expired \(localhost:\d+\).*\[TEMPORAL_CERTIFICATE\]/);
    assert.ok(performance.now() - started < 9_000, 'before the client gives up');
  });
});
