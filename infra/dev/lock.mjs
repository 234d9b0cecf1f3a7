/**
 * A lock between processes, by a file that names its holder. Plain Node without dependencies: bootstrap.mjs needs it before
 * anything is installed.
 *
 * The holder touches the file every few seconds; a lock that is not touched any more, or whose process is gone, is stale
 * and taken over.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TOUCH_MS = 2_000;
const STALE_MS = 20_000;
const POLL_MS = 200;
const SAY_AFTER_MS = 5_000;

/**
 * Runs `task` while no other process does. `onWait` is called every five seconds of waiting, with the seconds so far; when
 * `signal` aborts, the waiting ends with its reason.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} task
 * @param {{onWait?: (seconds: number) => void, signal?: AbortSignal | undefined}} [options]
 * @returns {Promise<T>}
 */
export async function withLock(file, task, { onWait, signal } = {}) {
  await mkdir(dirname(file), { recursive: true });
  const began = Date.now();
  let said = 0;
  while (!(await take(file))) {
    signal?.throwIfAborted();
    if (await isStale(file)) await clear(file);
    else await sleep(POLL_MS);
    const waited = Date.now() - began;
    if (waited - said >= SAY_AFTER_MS) {
      said = waited;
      onWait?.(Math.round(waited / 1000));
    }
  }
  const touch = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => {});
  }, TOUCH_MS);
  touch.unref();
  try {
    return await task();
  } finally {
    clearInterval(touch);
    await rm(file, { force: true });
  }
}

/** By a link, which is atomic and fails where the name is taken: a lock is never seen without its holder's number in it. */
async function take(file) {
  const own = `${file}.${randomUUID()}`;
  await writeFile(own, String(process.pid));
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

async function isStale(file) {
  try {
    const [{ mtimeMs }, holder] = await Promise.all([stat(file), readFile(file, 'utf8')]);
    return Date.now() - mtimeMs > STALE_MS || !isAlive(Number(holder));
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Moved aside before it is deleted; if it turns out that a live process took it in between, it is put back. */
async function clear(file) {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (!(await isStale(aside))) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
}

/**
 * @param {number} pid
 * @returns {boolean}
 */
export function isAlive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return error.code === 'EPERM';
  }
}
