import { readSafetensorsHeader, type SafeTensor } from '../safetensors.ts';

/**
 * The tensors of a safetensors file in the order of their bytes, one in memory at a time. The parts are taken to their end,
 * so whoever gives them can verify them there: what came before is good only when this has ended.
 */
export async function* streamTensors(
  parts: AsyncIterable<Uint8Array>,
  fileBytes: number,
  at: string,
): AsyncGenerator<readonly [string, SafeTensor]> {
  const { take, end } = takeFrom(parts);
  // The header is read first and in order, as `take` gives it.
  const { tensors } = await readSafetensorsHeader((from, to) => take(to - from), fileBytes, at);
  for (const [name, { dtype, shape, bytes }] of [...tensors].sort(([, a], [, b]) => a.from - b.from)) {
    yield [name, { dtype, shape, data: await take(bytes) }];
  }
  await end();
}

function takeFrom(parts: AsyncIterable<Uint8Array>): {
  take(count: number): Promise<Uint8Array>;
  end(): Promise<void>;
} {
  const iterator = parts[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  return {
    async take(count) {
      const taken = new Uint8Array(count);
      for (let done = 0; done < count; ) {
        if (rest.length === 0) {
          const next = await iterator.next();
          if (next.done) throw new RangeError(`the parts end ${count - done} bytes early`);
          rest = next.value;
        }
        const piece = rest.subarray(0, count - done);
        taken.set(piece, done);
        done += piece.length;
        rest = rest.subarray(piece.length);
      }
      return taken;
    },
    async end() {
      while (!(await iterator.next()).done);
    },
  };
}
