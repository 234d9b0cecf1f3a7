import type { FileHandle } from 'node:fs/promises';

/** One call of the operating system reads less than 2 GiB; `readFile` ends there. */
const CALL_BYTES = 2 ** 30;

/** `length` bytes of a file from this offset on; fewer where the file ends before. */
export async function readBytesAt(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, CALL_BYTES), offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
