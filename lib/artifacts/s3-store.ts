import { createHash, type Hash } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Fault } from '../fault.ts';
import { repeatedWhereClockWasOff } from './clock.ts';
import { hashedOnce } from './digests.ts';
import { changedWhileStored, readParts } from './parts.ts';
import { type ObserveRequests, observed } from './requests.ts';
import {
  type ByteRange,
  type ByteSource,
  checkRange,
  type ListedObject,
  type ObjectHead,
  type ObjectStore,
  PART_BYTES,
  PreconditionFailed,
  type PutLargeOptions,
  type PutOptions,
  type ReadObject,
} from './store.ts';

// The client's notice that releases of 2027 need Node 22 is for us, not for users. Read when a client is made.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

export interface S3StoreOptions {
  /** e.g. `http://127.0.0.1:7070`; absent for AWS itself. */
  endpoint?: string | undefined;
  region: string;
  bucket: string;
  /** Both or none; with none the AWS default chain decides (environment, profile, role). */
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
  sessionToken?: string | undefined;
  /** Asks as nobody in particular, as public buckets allow. */
  unsigned?: boolean | undefined;
  /** `host/bucket/key` instead of `bucket.host/key`. Default: where an endpoint is given. */
  forcePathStyle?: boolean | undefined;
  /** Is told of every request. */
  observe?: ObserveRequests | undefined;
  /** How the server's name becomes an address; default: Node's own way. */
  lookup?: LookupFunction | undefined;
  /** For tests: how long to wait for a silent server. Default 30 s. */
  timeoutMs?: number | undefined;
}

const CONNECT_TIMEOUT_MS = 5_000;
const TIMEOUT_MS = 30_000;
/** The request time-out covers the upload too, so it grows with the body: a line slower than this counts as dead. */
const SLOWEST_UPLOAD_BYTES_PER_MS = 256;
/** Tries of one request (the client's own retries), and of one read or conditional write (ours). */
const REQUEST_ATTEMPTS = 4;
const ATTEMPTS = 5;
/** What S3 takes in one request. */
const DELETED_AT_ONCE = 1000;
/** Parts of one object on their way at a time: with the one being read, what a large upload holds in memory. */
const PARTS_AT_ONCE = 4;

/** Object storage by the S3 protocol: AWS, versitygw, Ceph, R2 … The only file that knows the AWS client. */
export class S3Store implements ObjectStore {
  readonly bucket: string;
  readonly #options: S3StoreOptions;
  readonly #client: S3Client;
  readonly #place: string;
  readonly #timeoutMs: number;

  constructor(options: S3StoreOptions, client?: S3Client) {
    this.bucket = options.bucket;
    this.#options = options;
    this.#place = options.endpoint ?? `S3 in ${options.region}`;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#client = client ?? openClient(options, this.#timeoutMs);
  }

  /** Another bucket of the same server, over the same connections: closed with this one. */
  inBucket(bucket: string): S3Store {
    return new S3Store({ ...this.#options, bucket }, this.#client);
  }

  /** Makes the bucket where it is missing. @throws Fault STORE_… */
  async ensureBucket(): Promise<void> {
    const Bucket = this.bucket;
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket }));
    } catch (error) {
      if (statusOf(error) !== 404) throw this.#fault(error, Bucket);
      await this.#client.send(new CreateBucketCommand({ Bucket })).catch((createError: unknown) => {
        // 409: another process made it in the meantime.
        if (statusOf(createError) !== 409) throw this.#fault(createError, Bucket);
      });
    }
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<{ etag: string }> {
    const { ifNoneMatch, ifMatch, contentType, sha256 } = options;
    const digest = sha256 ? Buffer.from(sha256, 'hex') : createHash('sha256').update(bytes).digest();
    const command = new PutObjectCommand({
      Bucket: this.bucket,
      Key: key,
      Body: bytes,
      ContentLength: bytes.length,
      // The server refuses other bytes than these, and gives the digest back on HEAD.
      ChecksumSHA256: digest.toString('base64'),
      ...(contentType !== undefined && { ContentType: contentType }),
      ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
      ...(ifMatch !== undefined && { IfMatch: ifMatch }),
    });
    const requestTimeout = this.#timeoutMs + bytes.length / SLOWEST_UPLOAD_BYTES_PER_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        const { ETag } = await this.#client.send(command, { requestTimeout });
        return { etag: ETag ?? '' };
      } catch (error) {
        const status = statusOf(error);
        if (status === 412 || (status === 404 && ifMatch !== undefined && nameOf(error) === 'NoSuchKey')) {
          throw new PreconditionFailed(key, { cause: error });
        }
        // 409: AWS could not decide between two conditional writers at once, and asks to repeat.
        if (status !== 409 || attempt === ATTEMPTS) throw this.#fault(error, key);
        await backOff(attempt);
      }
    }
  }

  async putLarge(key: string, source: ByteSource, options: PutLargeOptions): Promise<{ etag: string }> {
    const at = { Bucket: this.bucket, Key: key };
    const fail = (error: unknown): never => {
      throw this.#fault(error, key);
    };
    const create = { ...at, ChecksumAlgorithm: 'SHA256', ContentType: 'application/octet-stream' } as const;
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(create)).catch(fail);
    try {
      const Parts = await this.#uploadParts(key, UploadId!, source, options);
      const complete = { ...at, UploadId, MultipartUpload: { Parts } };
      const { ETag } = await this.#client.send(new CompleteMultipartUploadCommand(complete)).catch(fail);
      return { etag: ETag ?? '' };
    } catch (error) {
      // Parts that nobody will complete take space for ever; where this fails too, the bucket's lifecycle has to.
      await this.#client.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
      throw error;
    }
  }

  /** Reads the source in order and uploads a few parts at a time, each with its own digest. */
  async #uploadParts(
    key: string,
    uploadId: string,
    source: ByteSource,
    { sha256, signal, onProgress }: PutLargeOptions,
  ): Promise<CompletedPart[]> {
    const whole = createHash('sha256');
    const parts: Promise<CompletedPart>[] = [];
    /** Memory of parts that are uploaded. */
    const free: Uint8Array[] = [];
    let done = 0;
    const upload = async (bytes: Uint8Array, number: number): Promise<CompletedPart> => {
      const digest = createHash('sha256').update(bytes).digest('base64');
      const command = new UploadPartCommand({
        ...{ Bucket: this.bucket, Key: key, UploadId: uploadId, PartNumber: number },
        ...{ Body: bytes, ContentLength: bytes.length, ChecksumSHA256: digest },
      });
      const requestTimeout = this.#timeoutMs + bytes.length / SLOWEST_UPLOAD_BYTES_PER_MS;
      const { ETag } = await this.#client
        .send(command, { requestTimeout, ...(signal && { abortSignal: signal }) })
        .catch((error: unknown) => {
          signal?.throwIfAborted();
          throw this.#fault(error, key);
        });
      free.push(new Uint8Array(bytes.buffer));
      done += bytes.length;
      onProgress?.(done);
      return { ETag, PartNumber: number, ChecksumSHA256: digest };
    };
    try {
      for await (const bytes of readParts(source, signal, () => free.pop() ?? new Uint8Array(PART_BYTES))) {
        whole.update(bytes);
        const part = upload(bytes, parts.length + 1);
        // Awaited below, in order; until then a failure must not count as unhandled.
        part.catch(() => undefined);
        parts.push(part);
        if (parts.length >= PARTS_AT_ONCE) await parts[parts.length - PARTS_AT_ONCE];
      }
      if (whole.digest('hex') !== sha256) throw changedWhileStored(key);
      return await Promise.all(parts);
    } catch (error) {
      await Promise.allSettled(parts);
      throw error;
    }
  }

  /**
   * Reads to the last byte, and hashes a whole object as it comes. The client's retries end where the body begins, so a body that breaks off is ours to mend: the
   * rest is asked for by range, under If-Match, into the same buffer.
   */
  async get(key: string, range?: ByteRange): Promise<ReadObject | null> {
    if (range) checkRange(key, range);
    let download: Download | undefined;
    for (let attempt = 1; ; attempt++) {
      let response: GetObjectCommandOutput;
      try {
        response = await this.#client.send(
          new GetObjectCommand({ Bucket: this.bucket, Key: key, ...resumeAt(download, range) }),
        );
      } catch (error) {
        if (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') return null;
        if (statusOf(error) === 416) throw new RangeError(`${key}: the range starts past the end`, { cause: error });
        if (statusOf(error) !== 412 || attempt === ATTEMPTS) throw this.#fault(error, key);
        // A pointer was replaced between two parts of it: from the beginning.
        download = undefined;
        continue;
      }
      download ??= beginOf(response, range === undefined);
      try {
        await receive(response, download);
        const sha256 = download.hash?.digest('hex');
        if (sha256 !== (download.kept ?? sha256)) throw new Damaged();
        return { bytes: download.bytes, etag: download.etag, ...(sha256 !== undefined && { sha256 }) };
      } catch (error) {
        // Some of the bytes are wrong, and nobody knows which.
        const damaged = error instanceof Damaged;
        if (attempt === ATTEMPTS) throw damaged ? this.#corrupt(error, key) : this.#fault(error, key);
        if (damaged) download = undefined;
        await backOff(attempt);
      }
    }
  }

  async head(key: string): Promise<ObjectHead | null> {
    try {
      const head = await this.#client.send(
        new HeadObjectCommand({ Bucket: this.bucket, Key: key, ChecksumMode: 'ENABLED' }),
      );
      const sha256 = wholeDigest(head.ChecksumSHA256);
      return { bytes: head.ContentLength ?? 0, etag: head.ETag ?? '', ...(sha256 !== undefined && { sha256 }) };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw this.#fault(error, key);
    }
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    let token: string | undefined;
    do {
      const page = await this.#client
        .send(
          new ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: prefix,
            ...(token !== undefined && { ContinuationToken: token }),
          }),
        )
        .catch((error: unknown) => {
          throw this.#fault(error, `${prefix}*`);
        });
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        // A server that tells no time: nothing of it counts as old.
        yield { key: Key, bytes: Size ?? 0, etag: ETag ?? '', modified: LastModified ?? new Date() };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += DELETED_AT_ONCE) {
      const Objects = keys.slice(from, from + DELETED_AT_ONCE).map((Key) => ({ Key }));
      const command = new DeleteObjectsCommand({ Bucket: this.bucket, Delete: { Objects, Quiet: true } });
      const { Errors = [] } = await this.#client.send(command).catch((error: unknown) => {
        throw this.#fault(error, Objects[0]!.Key);
      });
      const [error] = Errors;
      if (error) throw this.#notDeleted(error.Key ?? '', error.Code ?? 'an error without a name');
    }
  }

  /** Whoever may not ask is not told: it needs a right of its own, and not every server has the question. */
  async keepsVersions(): Promise<boolean | null> {
    try {
      const { Status } = await this.#client.send(new GetBucketVersioningCommand({ Bucket: this.bucket }));
      // Also where it was switched off again: what was kept until then is there.
      return Status !== undefined;
    } catch {
      return null;
    }
  }

  #notDeleted(key: string, found: string): Fault {
    const isDenied = found === 'AccessDenied';
    return new Fault(isDenied ? 'STORE_DENIED' : 'STORE_FAILED', {
      ...{ at: `${this.bucket}/${key}`, found, expected: 'its deletion' },
      fix: isDenied ? 'Allow it in the policy of the S3 credentials' : "Look at the S3 server's log",
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.#client.destroy();
  }

  #corrupt(cause: unknown, key: string): Fault {
    const details = {
      at: `${this.bucket}/${key}`,
      found: 'other bytes than were stored',
      expected: 'the checksum that the server keeps',
      fix: 'Delete this object and run the pipeline again: it makes what is missing',
    };
    return new Fault('ARTIFACT_CORRUPT', details, { cause });
  }

  #fault(error: unknown, key: string): unknown {
    if (!(error instanceof Error)) return error;
    const status = statusOf(error);
    const make = (code: string, found: string, expected: string, fix: string) =>
      new Fault(code, { at: `${this.bucket}/${key}`, found, expected, fix }, { cause: error });
    if (error.name === 'NoSuchBucket') {
      return make(
        'STORE_BUCKET_MISSING',
        'no such bucket',
        `bucket ${this.bucket} at ${this.#place}`,
        'Create the bucket, or correct its name',
      );
    }
    if (status === 401 || status === 403) {
      return make(
        'STORE_DENIED',
        `HTTP ${status}`,
        'access to the bucket',
        'Check the S3 credentials and their policy',
      );
    }
    if (error.name === 'CredentialsProviderError') {
      return make('STORE_CREDENTIALS', 'no S3 credentials', 'an access key or a profile', 'Set the S3 credentials');
    }
    if (status === undefined) {
      const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
      const fix = 'Check that the S3 server runs and can be reached';
      return make('STORE_UNREACHABLE', code, `an answer from ${this.#place}`, fix);
    }
    const found = `HTTP ${status} (${error.name})`;
    return make('STORE_FAILED', found, `success from ${this.#place}`, "Look at the S3 server's log");
  }
}

/** The client looks for credentials even where it signs nothing. */
const NOBODY = { accessKeyId: '', secretAccessKey: '' };

function openClient(options: S3StoreOptions, timeoutMs: number): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey, sessionToken, observe } = options;
  const client = new S3Client({
    region,
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    maxAttempts: REQUEST_ATTEMPTS,
    // The client has no time-outs by default: a server that falls silent would hold an activity for ever.
    // See `hashedOnce`.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: timeoutMs,
      ...(options.lookup && { httpAgent: { lookup: options.lookup }, httpsAgent: { lookup: options.lookup } }),
    },
    ...(endpoint !== undefined && { endpoint }),
    ...(options.unsigned && { signer: { sign: async (request) => request }, credentials: NOBODY }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && {
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
      }),
  });
  client.middlewareStack.add(repeatedWhereClockWasOff(client.config), { step: 'initialize', name: 'clock' });
  client.middlewareStack.add(hashedOnce, { step: 'build', name: 'hashedOnce' });
  if (observe) client.middlewareStack.add(observed(observe), { step: 'initialize', name: 'observe' });
  return client;
}

interface Download {
  readonly bytes: Uint8Array;
  received: number;
  readonly etag: string;
  /** Of a whole object: of what was received, and the digest (hex) that the server keeps, where it does. */
  readonly hash?: Hash | undefined;
  readonly kept?: string | undefined;
}

function beginOf({ ContentLength = 0, ETag = '', ChecksumSHA256 }: GetObjectCommandOutput, isWhole: boolean): Download {
  return {
    ...{ bytes: Buffer.allocUnsafeSlow(ContentLength), received: 0, etag: ETag },
    ...(isWhole && { hash: createHash('sha256'), kept: wholeDigest(ChecksumSHA256) }),
  };
}

/** Other bytes came than the server keeps. */
class Damaged extends Error {}

/** SHA-256 (hex) of an object as the server keeps it. An object of parts has a digest of digests (`…-3`): of no use here. */
function wholeDigest(checksum: string | undefined): string | undefined {
  return checksum && !checksum.includes('-') ? Buffer.from(checksum, 'base64').toString('hex') : undefined;
}

/** HTTP's ranges include their end. */
function resumeAt(download: Download | undefined, range: ByteRange | undefined): { Range?: string; IfMatch?: string } {
  const from = (range?.from ?? 0) + (download?.received ?? 0);
  return {
    ...((range || from > 0) && { Range: `bytes=${from}-${range ? range.to - 1 : ''}` }),
    ...(download && { IfMatch: download.etag }),
  };
}

async function receive({ Body }: GetObjectCommandOutput, download: Download): Promise<void> {
  for await (const chunk of (Body ?? []) as AsyncIterable<Uint8Array>) {
    if (download.received + chunk.length > download.bytes.length) throw new Error('longer than its Content-Length');
    download.bytes.set(chunk, download.received);
    download.hash?.update(chunk);
    download.received += chunk.length;
  }
  if (download.received < download.bytes.length) throw new Error('shorter than its Content-Length');
}

/** 0.1 s, doubled each time, of which a random half: parallel writers must not meet again. */
async function backOff(attempt: number): Promise<void> {
  await sleep(50 * 2 ** attempt * (0.5 + Math.random() / 2));
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}
