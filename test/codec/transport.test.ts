import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requireEncryption, type Transport } from '../../codec/transport.ts';
import { assertFault } from '../helpers/faults.ts';

const AT_HOME = { address: '127.0.0.1:7233' };
const FINE: [claim: string, transport: Transport][] = [
  ['this machine', { temporal: AT_HOME, endpoints: { SAMFLOW_S3_ENDPOINT: 'http://127.0.0.1:7070' } }],
  [
    'this machine by name',
    { temporal: { address: 'localhost:7233' }, endpoints: { SAMFLOW_S3_ENDPOINT: 'http://localhost:7070' } },
  ],
  [
    'this machine in IPv6',
    { temporal: { address: '[::1]:7233' }, endpoints: { SAMFLOW_S3_ENDPOINT: 'http://[::1]:7070' } },
  ],
  [
    'a server with TLS',
    { temporal: { address: 'cluster:7233', tls: true }, endpoints: { SAMFLOW_S3_ENDPOINT: 'https://s3.example' } },
  ],
  ['AWS itself', { temporal: AT_HOME, endpoints: { SAMFLOW_S3_ENDPOINT: undefined } }],
];
const REFUSED: [claim: string, transport: Transport, at: string][] = [
  ['Temporal on another machine', { temporal: { address: 'cluster:7233' }, endpoints: {} }, 'TEMPORAL_ADDRESS'],
  [
    'a name that only begins as this machine',
    { temporal: { address: '127.0.0.1.example:7233' }, endpoints: {} },
    'TEMPORAL_ADDRESS',
  ],
  ['all addresses of this machine', { temporal: { address: '0.0.0.0:7233' }, endpoints: {} }, 'TEMPORAL_ADDRESS'],
  ['S3 on another machine', { temporal: AT_HOME, endpoints: { S3: 'http://s3.example:7070/x' } }, 'S3'],
  [
    'the second of two servers',
    { temporal: AT_HOME, endpoints: { A: 'http://localhost', B: 'http://b.example' } },
    'B',
  ],
];

describe('talk without encryption', () => {
  for (const [claim, transport] of FINE) {
    it(`is no matter with ${claim}`, () => assert.doesNotThrow(() => requireEncryption(transport, false)));
  }
  for (const [claim, transport, at] of REFUSED) {
    it(`is refused with ${claim}, unless it is allowed`, () => {
      assertFault(
        () => requireEncryption(transport, false),
        'TRANSPORT_IN_CLEAR',
        new RegExp(`^${at}: found .*PLAIN_TEXT`),
      );
      assert.doesNotThrow(() => requireEncryption(transport, true));
    });
  }
});
