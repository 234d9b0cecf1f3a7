import { z } from 'zod';
import { DeviceConfig } from './config.ts';

/**
 * The environment variables that workers and the CLI read, in one place. Temporal's own (`TEMPORAL_ADDRESS`,
 * `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_...`) are read by @temporalio/envconfig.
 */
const ADDRESS = 'an address that starts with http:// or https://';
const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');

/** What a variable should hold, without the preamble that the schema's own messages have. */
export const expectedOf = ({ message }: { readonly message: string }): string =>
  message.replace(/^[A-Z][^:]*: expected /, '');

/** Whether somebody wants traces. The names are OpenTelemetry's own, and its exporter reads them and their kin. */
export const wantsTraces = (env: NodeJS.ProcessEnv): boolean =>
  Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) &&
  env.OTEL_SDK_DISABLED !== 'true';

/** Where artifacts lie. Without keys the AWS client's own chain applies (profile, role, container). */
export const StoreEnvironment = z
  .object({
    SAMFLOW_S3_ENDPOINT: z.url({ protocol: /^https?$/, error: ADDRESS }).optional(),
    SAMFLOW_S3_REGION: z.string().min(1).default('us-east-1'),
    SAMFLOW_S3_BUCKET: z.string().min(3).max(63).default('samflow'),
    SAMFLOW_S3_ACCESS_KEY_ID: z.string().min(1).optional(),
    SAMFLOW_S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
    /** `http://host/bucket/key` instead of `http://bucket.host/key`; default: yes where an endpoint is given. */
    SAMFLOW_S3_FORCE_PATH_STYLE: flag.optional(),
  })
  .transform((env) => ({
    ...(env.SAMFLOW_S3_ENDPOINT === undefined ? {} : { endpoint: env.SAMFLOW_S3_ENDPOINT }),
    region: env.SAMFLOW_S3_REGION,
    bucket: env.SAMFLOW_S3_BUCKET,
    ...(env.SAMFLOW_S3_ACCESS_KEY_ID === undefined ? {} : { accessKeyId: env.SAMFLOW_S3_ACCESS_KEY_ID }),
    ...(env.SAMFLOW_S3_SECRET_ACCESS_KEY === undefined ? {} : { secretAccessKey: env.SAMFLOW_S3_SECRET_ACCESS_KEY }),
    forcePathStyle: env.SAMFLOW_S3_FORCE_PATH_STYLE ?? env.SAMFLOW_S3_ENDPOINT !== undefined,
  }));
export type StoreEnvironment = z.infer<typeof StoreEnvironment>;

const UNITS = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
/** `500 MiB`, `20GiB` or plain bytes. */
const byteCount = z
  .string()
  .trim()
  .regex(/^\d+(\.\d+)? ?(B|KiB|MiB|GiB|TiB)?$/, 'a number of bytes, with B, KiB, MiB, GiB or TiB')
  .transform((text) => {
    const [, number = '0', unit = 'B'] = /^([\d.]+) ?(\w*)$/.exec(text) ?? [];
    return Math.floor(Number(number) * UNITS[(unit || 'B') as keyof typeof UNITS]);
  });

/** Part of a header. Printable characters only: anything else would be refused with the value in the message. */
const secretWord = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]+$/, 'a token of printable characters');

/** `9464`, `0.0.0.0:9464` or `[::]:9464`. A port alone is one of the loopback address. */
const socketAddress = z
  .string()
  .regex(/^((\d{1,3}\.){3}\d{1,3}:|\[[\da-f:]+\]:)?\d{1,5}$/i, 'an IP address and a port, e.g. 127.0.0.1:9464')
  .transform((text) => (text.includes(':') ? text : `127.0.0.1:${text}`));
/** Keys of the payloads' encryption: of whoever talks to Temporal, clients and workers alike. */
export const CodecEnvironment = z
  .object({
    /** Secret: `id:base64,id:base64`, 32 bytes each. The first key encrypts, all decrypt. */
    SAMFLOW_CODEC_KEYS: z.string().min(1).optional(),
    /** Or a file that holds them, which nobody else may read. */
    SAMFLOW_CODEC_KEYS_FILE: z.string().min(1).optional(),
  })
  .refine((env) => env.SAMFLOW_CODEC_KEYS === undefined || env.SAMFLOW_CODEC_KEYS_FILE === undefined, {
    path: ['SAMFLOW_CODEC_KEYS'],
    message: 'SAMFLOW_CODEC_KEYS or SAMFLOW_CODEC_KEYS_FILE, not both',
  })
  .transform((env) => ({ keys: env.SAMFLOW_CODEC_KEYS ?? null, keysFile: env.SAMFLOW_CODEC_KEYS_FILE ?? null }));
export type CodecEnvironment = z.infer<typeof CodecEnvironment>;

/** Of whoever talks to Temporal and the store. */
export const TransportEnvironment = z
  .object({
    /** In a private network: Temporal and S3 on other machines may be asked without TLS. */
    SAMFLOW_ALLOW_PLAIN_TEXT: flag.optional(),
  })
  .transform((env) => ({ allowsPlainText: env.SAMFLOW_ALLOW_PLAIN_TEXT ?? false }));
export type TransportEnvironment = z.infer<typeof TransportEnvironment>;

/** Of who promotes models, and of who lets none serve without a word that he trusts. */
export const SigningEnvironment = z
  .object({
    /** File with an Ed25519 private key (PKCS #8, PEM) that nobody else may read; default: promotions are not signed. */
    SAMFLOW_SIGNING_KEY_FILE: z.string().min(1).optional(),
    /** File with Ed25519 public keys (PEM); default: a champion serves whoever has promoted it. */
    SAMFLOW_TRUSTED_KEYS_FILE: z.string().min(1).optional(),
  })
  .transform((env) => ({
    keyFile: env.SAMFLOW_SIGNING_KEY_FILE ?? null,
    trustedFile: env.SAMFLOW_TRUSTED_KEYS_FILE ?? null,
  }));

/** Of `samflow codec-server`, beside the keys. */
export const CodecServerEnvironment = z
  .object({
    /** Secret: whoever shows it may have payloads decoded. */
    SAMFLOW_CODEC_TOKEN: z
      .string({ error: 'a secret of at least 16 characters' })
      .min(16, 'a secret of at least 16 characters'),
  })
  .transform((env) => ({ token: env.SAMFLOW_CODEC_TOKEN }));

/** What a worker needs beyond Temporal and the store. */
export const WorkerEnvironment = z
  .object({
    /** Key of the patients' pseudonyms; needed by the io pool, and shared by all io workers of one installation. */
    SAMFLOW_PATIENT_KEY: z.string().min(16, 'a secret of at least 16 characters').optional(),
    /** Folder for downloads in progress. */
    SAMFLOW_CACHE: z.string().min(1).default('.samflow/cache'),
    /** The Hugging Face hub, or a server that speaks like it. Both names are the hub's own; only the io pool reads them. */
    HF_ENDPOINT: z.url({ protocol: /^https?$/, error: ADDRESS }).default('https://huggingface.co'),
    HF_TOKEN: secretWord.optional(),
    /** Kaggle's own names; only the io pool reads them. Name and key, or a token, or neither and a `kaggle.json`. */
    KAGGLE_USERNAME: z.string().trim().min(1).optional(),
    KAGGLE_KEY: z.string().trim().min(1).optional(),
    KAGGLE_API_TOKEN: secretWord.optional(),
    /** Folder of `kaggle.json`; default: `.kaggle` in the home folder. */
    KAGGLE_CONFIG_DIR: z.string().min(1).optional(),
    KAGGLE_API_ENDPOINT: z.url({ protocol: /^https?$/, error: ADDRESS }).default('https://www.kaggle.com'),
    /** Where buckets of sources lie that name no endpoint, and the account that reads them; default: the store's. */
    SAMFLOW_SOURCE_S3_ENDPOINT: z.url({ protocol: /^https?$/, error: ADDRESS }).optional(),
    SAMFLOW_SOURCE_S3_REGION: z.string().min(1).optional(),
    SAMFLOW_SOURCE_S3_ACCESS_KEY_ID: z.string().min(1).optional(),
    SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
    /** Addresses beside public ones that sources of a configuration may name: `private`, addresses, ranges, names of hosts. */
    SAMFLOW_SOURCE_HOSTS: z.string().default(''),
    /** Folder for copies of weights, embeddings and slices, on a disk of this machine; default: none are kept. */
    SAMFLOW_CACHE_DIR: z.string().min(1).optional(),
    /** What they may take together, in all processes that share the folder. */
    SAMFLOW_CACHE_BYTES: byteCount.default(20 * 2 ** 30),
    /** Bytes of a training's embeddings that stay in memory; the others are read from a disk of this machine. */
    SAMFLOW_EMBEDDINGS_MEMORY: byteCount.default(2 ** 30),
    /** Devices of the gpu pool, one activity at a time on each; default: one, which each run names by `device`. */
    SAMFLOW_DEVICES: z
      .string()
      .transform((text) => text.split(',').map((word) => word.trim()))
      .pipe(z.array(DeviceConfig).min(1))
      .refine((devices) => new Set(devices).size === devices.length, 'each device once')
      .optional(),
    /** Activities that the server hands out a second from each of the pool's queues, to all workers together. */
    SAMFLOW_MAX_ACTIVITIES_PER_SECOND: z.coerce.number().positive().max(100_000).optional(),
    /** Version of this worker's workflow code: open runs stay with the version that they were started under. */
    SAMFLOW_BUILD_ID: z
      .string()
      .regex(/^[\w.+-]{1,128}$/, 'letters, digits, . _ + -')
      .optional(),
    /** Name under which the versions of workflow workers stand together. */
    SAMFLOW_DEPLOYMENT: z
      .string()
      .regex(/^[\w-]{1,128}$/, 'letters, digits, _ -')
      .default('samflow'),
    /** Threads of a model session. Fixed, because sums in another order give other last bits. */
    SAMFLOW_THREADS: z.coerce.number().int().min(1).max(256).default(2),
    /** Activities that the cpu pool does at a time; default: one for each core. Each may hold a volume in memory. */
    SAMFLOW_CPU_SLOTS: z.coerce.number().int().min(1).max(256).optional(),
    SAMFLOW_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
    /** JSON lines, or text for people; default: text where standard error is a terminal, and JSON elsewhere. */
    SAMFLOW_LOG: z.enum(['json', 'text']).optional(),
    /** The log's lines go here; default: standard error. */
    SAMFLOW_LOG_FILE: z.string().min(1).optional(),
    /** Address for Prometheus to scrape, `ip:port`, or a port of the loopback address; default: no metrics. */
    SAMFLOW_METRICS: socketAddress.optional(),
    /** Rewritten every five seconds while the worker is well: a probe looks at the file's age. */
    SAMFLOW_HEALTH_FILE: z.string().min(1).optional(),
  })
  .refine((env) => !env.SAMFLOW_SOURCE_S3_ACCESS_KEY_ID === !env.SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY, {
    path: ['SAMFLOW_SOURCE_S3_ACCESS_KEY_ID'],
    message: 'both SAMFLOW_SOURCE_S3_ACCESS_KEY_ID and SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY, or neither',
  })
  .transform((env) => ({
    patientKey: env.SAMFLOW_PATIENT_KEY ?? null,
    cacheDir: env.SAMFLOW_CACHE,
    hub: { endpoint: env.HF_ENDPOINT.replace(/\/+$/, ''), token: env.HF_TOKEN ?? null },
    kaggle: {
      endpoint: env.KAGGLE_API_ENDPOINT.replace(/\/+$/, ''),
      username: env.KAGGLE_USERNAME ?? null,
      key: env.KAGGLE_KEY ?? null,
      token: env.KAGGLE_API_TOKEN ?? null,
      configDir: env.KAGGLE_CONFIG_DIR ?? null,
    },
    sourceS3: {
      endpoint: env.SAMFLOW_SOURCE_S3_ENDPOINT,
      region: env.SAMFLOW_SOURCE_S3_REGION,
      accessKeyId: env.SAMFLOW_SOURCE_S3_ACCESS_KEY_ID,
      secretAccessKey: env.SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY,
    },
    sourceHosts: env.SAMFLOW_SOURCE_HOSTS.split(/[\s,]+/).filter(Boolean),
    diskCache:
      env.SAMFLOW_CACHE_DIR === undefined ? null : { dir: env.SAMFLOW_CACHE_DIR, maxBytes: env.SAMFLOW_CACHE_BYTES },
    embeddingsMemory: env.SAMFLOW_EMBEDDINGS_MEMORY,
    devices: env.SAMFLOW_DEVICES ?? [],
    activitiesPerSecond: env.SAMFLOW_MAX_ACTIVITIES_PER_SECOND ?? null,
    version:
      env.SAMFLOW_BUILD_ID === undefined
        ? null
        : { buildId: env.SAMFLOW_BUILD_ID, deploymentName: env.SAMFLOW_DEPLOYMENT },
    threads: env.SAMFLOW_THREADS,
    cpuSlots: env.SAMFLOW_CPU_SLOTS ?? null,
    logLevel: env.SAMFLOW_LOG_LEVEL,
    logForm: env.SAMFLOW_LOG ?? null,
    logFile: env.SAMFLOW_LOG_FILE ?? null,
    metrics: env.SAMFLOW_METRICS ?? null,
    healthFile: env.SAMFLOW_HEALTH_FILE ?? null,
  }));
export type WorkerEnvironment = z.infer<typeof WorkerEnvironment>;
