import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../fault.ts';
import { fetchInto } from '../http/fetch-into.ts';
import { type HttpFaults, type RequestOptions, retrying } from '../http/request.ts';
import { openFile } from './folder.ts';
import { hubFaults } from './hub-faults.ts';
import { type FileState, fileChanged, type ModelFile, type Place } from './place.ts';
import type { Reference } from './reference.ts';

export interface HubOptions extends RequestOptions {
  /** Address of the hub, without a slash at its end. */
  endpoint: string;
  /** Sent to `endpoint` and to nobody else. */
  token: string | null;
  /** Downloads in progress lie below it. */
  cacheDir: string;
  onProgress?: ((file: string, doneBytes: number, totalBytes: number) => void) | undefined;
}

type HubReference = Extract<Reference, { kind: 'hub' }>;

const COMMIT = /^[0-9a-f]{40}$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Of one file; the hub itself answers a renamed model with one. */
const MAX_REDIRECTIONS = 5;
/** A file whose digest is wrong is fetched once more: it may have happened on the way. */
const DOWNLOADS = 2;

/**
 * A model of the Hugging Face hub, or of a server that speaks like it. A branch or tag is resolved to its commit here, once,
 * and every file is of that commit. The hub's own client resolves; it cannot go on with a download that was cut, so files are
 * fetched by range.
 * @throws Fault HUB_DENIED, HUB_MISSING, HUB_REFUSED, HUB_UNREACHABLE, HUB_ANSWER
 */
export async function openHub({ repository, revision }: HubReference, options: HubOptions): Promise<Place> {
  const faults = hubFaults(`hf:${repository}@${revision}`, options);
  const commit = COMMIT.test(revision) ? revision : await resolveCommit(repository, revision, faults, options);
  return new HubPlace(repository, commit, options);
}

async function resolveCommit(
  repository: string,
  revision: string,
  faults: HttpFaults,
  options: HubOptions,
): Promise<string> {
  const { modelInfo } = await import('@huggingface/hub');
  return retrying(faults, options, async ({ request }) => {
    // The client's own token option would refuse a token of another hub; and its requests know no time-out.
    const ask = (url: unknown): Promise<Response> =>
      request({ url: String(url), headers: authorisation(String(url), options) });
    const record = await modelInfo({
      ...{ name: repository, revision, hubUrl: options.endpoint, additionalFields: ['sha'] },
      fetch: ask as typeof fetch,
    }).catch((error: unknown) => {
      throw error instanceof SyntaxError ? strangeAnswer(repository, 'no JSON') : error;
    });
    if (typeof record.sha !== 'string' || !COMMIT.test(record.sha)) throw strangeAnswer(repository, 'no commit');
    return record.sha;
  });
}

/** The token goes to the hub's own address only, not to the store that the hub sends us to. */
function authorisation(url: string, { endpoint, token }: HubOptions): Record<string, string> {
  return token !== null && new URL(url).origin === new URL(endpoint).origin ? { authorization: `Bearer ${token}` } : {};
}

interface RemoteState extends FileState {
  /** Of files in large-file storage, as the weights are. */
  readonly sha256: string | null;
}

class HubPlace implements Place {
  readonly name: string;
  readonly origin: string;
  readonly pinned = true;
  readonly #address: string;
  readonly #cache: string;
  readonly #options: HubOptions;
  readonly #faults: HttpFaults;
  readonly #states = new Map<string, RemoteState | null>();

  constructor(repository: string, commit: string, options: HubOptions) {
    this.name = repository.split('/').at(-1)!;
    this.origin = `hf:${repository}@${commit}`;
    this.#address = `${options.endpoint}/${repository}/resolve/${commit}`;
    this.#cache = join(options.cacheDir, 'hub', createHash('sha256').update(this.origin).digest('hex').slice(0, 32));
    this.#options = options;
    this.#faults = hubFaults(this.origin, options);
  }

  async state(file: string): Promise<RemoteState | null> {
    const known = this.#states.get(file);
    if (known !== undefined) return known;
    const state = await this.#probe(file);
    this.#states.set(file, state);
    return state;
  }

  /** Downloads the file, or goes on with a download that was broken off, in this process or an earlier one. */
  async open(name: string): Promise<ModelFile | null> {
    const state = await this.state(name);
    if (!state) return null;
    const path = join(this.#cache, name);
    const fetched = () => openFile(path, state.sha256 ?? undefined);
    const there = await fetched();
    if (there) return there;
    await mkdir(this.#cache, { recursive: true });
    try {
      await this.#download(`${path}.part`, name, state);
      await rename(`${path}.part`, path);
    } catch (error) {
      // Another process may have been faster with the same file.
      const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!isGone) throw error;
    }
    const file = await fetched();
    // ... and have given it back already.
    if (!file) throw fileChanged(name);
    return file;
  }

  /** Fills `part` with the whole file, verified. */
  async #download(part: string, file: string, state: RemoteState): Promise<void> {
    for (let download = 1; ; download++) {
      await this.#fetch(part, file, state);
      if (state.sha256 === null) return;
      const found = await sha256Of(part, this.#options.signal);
      if (found === state.sha256) return;
      await rm(part, { force: true });
      if (download === DOWNLOADS) throw wrongDigest(file, found, state.sha256);
    }
  }

  async discard(): Promise<void> {
    await rm(this.#cache, { recursive: true, force: true });
  }

  /**
   * Asks for the first byte and looks at the answer of the hub itself: its redirection to the large-file storage carries
   * size and digest, which the storage's own answer need not.
   */
  #probe(file: string): Promise<RemoteState | null> {
    return retrying(this.#faults, this.#options, async ({ request }) => {
      let url = `${this.#address}/${file}`;
      for (let redirections = 0; redirections <= MAX_REDIRECTIONS; redirections++) {
        const headers = { range: 'bytes=0-0', ...authorisation(url, this.#options) };
        const response = await request({ url, headers, redirect: 'manual', accept: [404] });
        await response.body?.cancel();
        if (response.status === 404) return absent(response, this.#faults);
        const state = stateIn(response);
        if (state) return state;
        url = new URL(response.headers.get('location') ?? '', url).href;
      }
      throw strangeAnswer(file, `more than ${MAX_REDIRECTIONS} redirections`);
    });
  }

  async #fetch(part: string, file: string, { bytes }: RemoteState): Promise<void> {
    const url = `${this.#address}/${file}`;
    const remote = {
      bytes,
      // Always by way of the hub: the storage's address is signed, and its signature ends.
      from: (offset: number) => ({
        url,
        headers: { ...authorisation(url, this.#options), ...(offset > 0 && { range: `bytes=${offset}-` }) },
      }),
      onBytes: (done: number) => this.#options.onProgress?.(file, done, bytes),
    };
    await fetchInto(part, remote, this.#faults, this.#options);
  }
}

/** A 404 for the file, and not for the model or the revision. */
function absent(response: Response, faults: HttpFaults): null {
  const code = response.headers.get('x-error-code');
  if (code !== null && code !== 'EntryNotFound') throw faults.refused(response);
  return null;
}

/** Size and digest where an answer has them; null for a redirection that only leads elsewhere. */
function stateIn({ status, headers }: Response): RemoteState | null {
  const redirected = status >= 300;
  const linkedBytes = headers.get('x-linked-size');
  if (redirected && linkedBytes === null) return null;
  const ownBytes = status === 206 ? headers.get('content-range')?.split('/')[1] : headers.get('content-length');
  const bytes = linkedBytes ?? ownBytes ?? '';
  if (!/^\d+$/.test(bytes)) throw strangeAnswer('the hub', 'a file without a size');
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  return { bytes: Number(bytes), version: etag, sha256: SHA256.test(etag) ? etag : null };
}

async function sha256Of(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { ...(signal && { signal }) })) hash.update(chunk);
  return hash.digest('hex');
}

function wrongDigest(file: string, found: string, expected: string): Fault {
  return new Fault('HUB_DIGEST', {
    at: file,
    found: `SHA-256 ${found}, twice`,
    expected,
    fix: 'Look for a proxy that changes files on the way; do not use the file',
  });
}

function strangeAnswer(at: string, found: string): Fault {
  const fix = 'Check that HF_ENDPOINT of the io worker is the address of a Hugging Face hub';
  return new Fault('HUB_ANSWER', { at, found, expected: 'what the Hugging Face hub answers', fix });
}
