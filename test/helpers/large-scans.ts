import { createServer, type Server, type ServerResponse } from 'node:http';
import { phantomScan } from '../../lib/dataset/phantom.ts';
import { gzipDeterministic, writeNifti } from '../../lib/volume/nifti-write.ts';
import type { ArchiveEntry } from './archives.ts';

/** The phantom on a finer grid: every voxel becomes so many along each axis, so that stages take long enough to be disturbed. */
export function largeScans(patients: number, finer: readonly [number, number, number]): ArchiveEntry[] {
  return Array.from({ length: patients }, (_, at) => {
    const { shape, image, mask, voxelToWorld } = phantomScan(at + 1, 7);
    const to = shape.map((size, axis) => size * finer[axis]!) as [number, number, number];
    const grown = <T extends Int16Array | Uint8Array>(from: T, into: T): T => {
      for (let k = 0, voxel = 0; k < to[2]; k++) {
        for (let j = 0; j < to[1]; j++) {
          const row = shape[0] * (Math.floor(j / finer[1]) + shape[1] * Math.floor(k / finer[2]));
          for (let i = 0; i < to[0]; i++) into[voxel++] = from[row + Math.floor(i / finer[0])]!;
        }
      }
      return into;
    };
    const size = to[0] * to[1] * to[2];
    // The last column holds the place of the first voxel.
    const affine = voxelToWorld.map((value, n) => (n % 4 < 3 && n < 12 ? value / finer[n % 4]! : value));
    const file = (kind: string, voxels: Int16Array | Uint8Array): ArchiveEntry => ({
      path: `3d_images/${kind}_${at + 1}.nii.gz`,
      content: gzipDeterministic(writeNifti({ shape: to, voxels, voxelToWorld: affine as never })),
      compress: false,
    });
    return [file('IMG', grown(image, new Int16Array(size))), file('MASK', grown(mask, new Uint8Array(size)))];
  }).flat();
}

/** Serves one file over HTTP, by ranges, at full speed or (`slow`) at a few kilobytes a second. */
export async function serveFile(bytes: Uint8Array): Promise<{ url: string; slow: boolean; close(): void }> {
  const served = { url: '', slow: false, close: () => void server.close() };
  const answer = async (response: ServerResponse, from: number, to: number): Promise<void> => {
    for (let at = from; at < to && !response.destroyed; ) {
      const next = Math.min(to, at + (served.slow ? 2 ** 12 : 2 ** 20));
      response.write(bytes.subarray(at, next));
      at = next;
      if (served.slow) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    response.end();
  };
  const server: Server = createServer((request, response) => {
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const to = range?.[2] ? Number(range[2]) + 1 : bytes.length;
    response.writeHead(range ? 206 : 200, {
      ...{ 'content-length': to - from, 'accept-ranges': 'bytes', etag: '"the same"' },
      ...(range && { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }),
    });
    if (request.method === 'HEAD') response.end();
    else void answer(response, from, to);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  served.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/set.zip`;
  return served;
}
