import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { openDataConverter } from '../../codec/data-converter.ts';
import { keysFingerprint, readCodecKeys } from '../../codec/keys.ts';
import { requireEncryption } from '../../codec/transport.ts';
import { CodecEnvironment, StoreEnvironment, TransportEnvironment } from '../../contracts/environment.ts';
import { SEARCH_ATTRIBUTES } from '../../contracts/search-attributes.ts';
import { unlessAborted } from '../../infra/dev/abort.ts';
import { devCredentials } from '../../infra/dev/credentials.ts';
import { startDevServers } from '../../infra/dev/servers.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { S3Store } from '../../lib/artifacts/s3-store.ts';
import type { ObjectStore } from '../../lib/artifacts/store.ts';
import { Fault } from '../../lib/fault.ts';
import { clientIdentity } from '../client-identity.ts';
import { readEnvironment } from '../environment.ts';
import { toFault } from '../to-fault.ts';
import { type ClientTracing, openClientTracing } from '../tracing.ts';
import { certificateTrouble } from './certificate-trouble.ts';
import { cacheDirOf } from './folders.ts';
import { type DevWorkers, startDevWorkers } from './workers.ts';

/** Where runs happen: servers and workers of ours, or those that the environment names. */
export interface Platform {
  readonly client: Client;
  readonly namespace: string;
  readonly artifacts: ArtifactStore;
  readonly store: ObjectStore;
  readonly temporalAddress: string;
  /** Null where the Web UI's address is not known. */
  readonly uiUrl: string | null;
  /** For people: where artifacts lie. */
  readonly storeAddress: string;
  /** True where servers and workers are samflow's own. */
  readonly embedded: boolean;
  /** True where they were running before we came: they may outlive us. */
  readonly joined: boolean;
  /** Resolves when a server or worker of ours is lost for good. */
  readonly failed: Promise<Fault>;
  close(options?: { keep?: boolean }): Promise<void>;
}

export interface PlatformOptions {
  readonly stateDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly report: (line: string) => void;
  /** False: only look; where nothing runs and nothing is configured, say so. */
  readonly workers: boolean;
  /** Ends the opening: what was begun by then is ended too. */
  readonly signal?: AbortSignal | undefined;
}

export async function openPlatform(options: PlatformOptions): Promise<Platform> {
  return options.env.TEMPORAL_ADDRESS || options.env.TEMPORAL_PROFILE
    ? connectConfigured(options)
    : startEmbedded(options);
}

async function connectConfigured({ env, signal }: PlatformOptions): Promise<Platform> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const address = connectionOptions.address ?? 'localhost:7233';
  const storeConfig = readEnvironment(StoreEnvironment, env);
  const dataConverter = openDataConverter(readEnvironment(CodecEnvironment, env));
  const { endpoint, region, bucket } = storeConfig;
  const { allowsPlainText } = readEnvironment(TransportEnvironment, env);
  const endpoints = { SAMFLOW_S3_ENDPOINT: endpoint };
  requireEncryption({ temporal: { address, tls: connectionOptions.tls }, endpoints }, allowsPlainText);
  const tracing = await openClientTracing(env);
  const how = { dataConverter, tracing };
  const opened = await connect(address, namespace, connectionOptions as ConnectionOptions, how, signal);
  const store = new S3Store(storeConfig);
  return {
    ...opened,
    ...{ namespace, store, artifacts: new ArtifactStore(store), temporalAddress: address },
    uiUrl: env.TEMPORAL_UI_URL ?? null,
    storeAddress: `${endpoint ?? `S3 in ${region}`}, bucket ${bucket}`,
    embedded: false,
    joined: true,
    failed: new Promise(() => undefined),
    async close() {
      await opened.connection.close();
      store.close();
      await tracing.close();
    },
  };
}

async function startEmbedded({ stateDir, env, report, workers: wanted, signal }: PlatformOptions): Promise<Platform> {
  const codec = readEnvironment(CodecEnvironment, env);
  const dataConverter = openDataConverter(codec);
  await mkdir(join(stateDir, 'logs'), { recursive: true, mode: 0o700 });
  const servers = await startDevServers({ stateDir, env, report, searchAttributes: SEARCH_ATTRIBUTES, signal });
  let workers: DevWorkers | null = null;
  try {
    const { s3, temporalAddress } = servers;
    const { patientKey } = await devCredentials(stateDir);
    workers = wanted
      ? await startDevWorkers({
          ...{ stateDir, report, signal, payloads: keysFingerprint(readCodecKeys(codec)) },
          env: {
            ...env,
            TEMPORAL_ADDRESS: temporalAddress,
            SAMFLOW_S3_ENDPOINT: s3.endpoint,
            SAMFLOW_S3_REGION: s3.region,
            SAMFLOW_S3_BUCKET: s3.bucket,
            ...(s3.accessKeyId && { SAMFLOW_S3_ACCESS_KEY_ID: s3.accessKeyId }),
            ...(s3.secretAccessKey && { SAMFLOW_S3_SECRET_ACCESS_KEY: s3.secretAccessKey }),
            SAMFLOW_PATIENT_KEY: env.SAMFLOW_PATIENT_KEY ?? patientKey,
            SAMFLOW_CACHE: cacheDirOf(env),
            // Who writes the configuration sits at this machine: its own network is no secret to him.
            SAMFLOW_SOURCE_HOSTS: env.SAMFLOW_SOURCE_HOSTS ?? 'private',
            // Nobody would make a version current here: runs would wait for ever.
            SAMFLOW_BUILD_ID: '',
          },
        })
      : null;
    const tracing = await openClientTracing(env);
    const { client, connection } = await connect(temporalAddress, 'default', {}, { dataConverter, tracing }, signal);
    const store = new S3Store({ ...s3, forcePathStyle: true });
    return {
      ...{ client, store, temporalAddress, namespace: 'default', artifacts: new ArtifactStore(store) },
      uiUrl: servers.uiUrl,
      storeAddress: `${s3.endpoint}, bucket ${s3.bucket}`,
      embedded: true,
      joined: servers.reused,
      failed: Promise.race([servers.failed, ...(workers ? [workers.failed] : [])]),
      async close({ keep = false } = {}) {
        await connection.close();
        store.close();
        await tracing.close();
        // Workers first: they tell Temporal what they were at, so that the next one takes over at once.
        await workers?.stop({ keep });
        await servers.stop({ keep });
      },
    };
  } catch (error) {
    await workers?.stop();
    await servers.stop();
    throw error;
  }
}

async function connect(
  address: string,
  namespace: string,
  options: ConnectionOptions,
  { dataConverter, tracing }: { readonly dataConverter: DataConverter; readonly tracing: ClientTracing },
  signal: AbortSignal | undefined,
): Promise<{ client: Client; connection: Connection }> {
  const connection = Connection.lazy({ ...options, address, connectTimeout: '10s' });
  try {
    await unlessAborted(signal, Promise.race([connection.ensureConnected(), certificateRefused(address, options.tls)]));
    const interceptors = { workflow: tracing.interceptors };
    const identity = clientIdentity();
    return { connection, client: new Client({ connection, namespace, interceptors, dataConverter, identity }) };
  } catch (cause) {
    await connection.close();
    signal?.throwIfAborted();
    const answer = toFault(cause);
    if (answer.code === 'TEMPORAL_DENIED' || answer.code === 'TEMPORAL_CERTIFICATE') throw answer;
    throw new Fault(
      'TEMPORAL_UNREACHABLE',
      {
        at: 'TEMPORAL_ADDRESS',
        found: `no answer from ${address}`,
        expected: 'a Temporal server',
        fix: 'Start it, correct the address, or unset TEMPORAL_ADDRESS and TEMPORAL_PROFILE to let samflow start its own',
      },
      { cause },
    );
  }
}

/** A connection with TLS that takes longer than this is asked for its reason. */
const ASK_AFTER_MS = 1_500;

/** Never resolves; rejects where a certificate is why no connection comes about, long before the client gives up. */
async function certificateRefused(address: string, tls: ConnectionOptions['tls']): Promise<never> {
  const settings = tls === true ? {} : tls;
  if (settings) {
    await sleep(ASK_AFTER_MS, undefined, { ref: false });
    const trouble = await certificateTrouble(address, settings);
    if (trouble) throw badCertificate(address, trouble);
  }
  return new Promise(() => undefined);
}

function badCertificate(address: string, trouble: string): Fault {
  const details = { found: `${trouble} (${address})`, expected: 'certificates that hold now' };
  const fix = 'Renew it, or correct the TEMPORAL_TLS_… variables: authority, server’s name, client’s certificate';
  return new Fault('TEMPORAL_CERTIFICATE', { at: 'TEMPORAL_ADDRESS', ...details, fix });
}
