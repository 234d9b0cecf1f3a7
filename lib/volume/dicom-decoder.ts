import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ZSTDDecoder } from '@thewtex/zstddec';
import { encapsulate } from './dicom-capsule.ts';
import type { FramePixels } from './dicom-pixels.ts';
import { type StoredArray, storedType } from './dicom-stored.ts';

/**
 * GDCM, as @itk-wasm/dicom compiled it to WebAssembly, without the package's own loader: that one echoes all that GDCM says
 * to the console, into `--json` output and logs where nothing of a patient's header belongs, and unpacks and compiles the
 * module at every call. What is used of the module is what `itk-wasm` itself uses (run-pipeline-emscripten.js); the
 * package's version is pinned.
 */
interface Gdcm {
  fs_writeFile(path: string, bytes: Uint8Array): void;
  callMain(args: string[]): number;
  ccall(name: string, returns: 'number', types: 'number'[], args: number[]): number;
  UTF8ToString(pointer: number): string;
  readonly HEAPU8: Uint8Array;
}

/** Of the platform; Node's types leave it to those of browsers. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<Instance>;
  Memory: new (options: { initial: number }) => Memory;
};
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
interface Instance {
  readonly exports: Record<string, unknown>;
}

type Instantiate = (imports: object, done: (instance: Instance) => void) => object;
type Factory = (options: object) => Promise<Gdcm>;

interface Loaded {
  readonly create: Factory;
  readonly module: object;
}

let loaded: Promise<Loaded> | undefined;

/** Once for a process: most data sets are NIfTI, and the module is large. */
async function load(): Promise<Loaded> {
  const package_ = dirname(fileURLToPath(import.meta.resolve('@itk-wasm/dicom')));
  const pipeline = join(package_, 'pipelines', 'read-image-dicom-file-series');
  const unpacker = new ZSTDDecoder();
  await unpacker.init();
  const binary = unpacker.decode(new Uint8Array(await readFile(`${pipeline}.wasm.zst`)));
  const { default: create } = (await import(pathToFileURL(`${pipeline}.js`).href)) as { default: Factory };
  return { create, module: await WebAssembly.compile(new Uint8Array(binary)) };
}

/** A fresh instance: one that met damaged pixels is not trusted with the next file. It cannot grow beyond the limit. */
async function instance(limitBytes: number): Promise<Gdcm> {
  loaded ??= load();
  const { create, module } = await loaded;
  const instantiateWasm: Instantiate = (imports, done) => {
    WebAssembly.instantiate(module, imports).then((made) => {
      limitMemory(made.exports, limitBytes);
      done(made);
    });
    return {};
  };
  const options = { instantiateWasm };
  // The module sets both to the console; a setter that does nothing keeps ours.
  for (const name of ['print', 'printErr']) {
    Object.defineProperty(options, name, { get: () => () => {}, set: () => {}, enumerable: true });
  }
  return create(options);
}

const PAGE_BYTES = 65536;

/** Emscripten grows the exported memory by its method, and takes an error there for "no memory". */
function limitMemory(exports: Instance['exports'], limitBytes: number): void {
  const memory = Object.values(exports).find((value) => value instanceof WebAssembly.Memory) as Memory;
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * PAGE_BYTES > limitBytes) throw new RangeError('limit of memory');
    return grow(pages);
  };
}

/** Largest memory of an instance: 64 MiB and eight times what goes in and comes out. More is a damaged stream's doing. */
const memoryFor = (frames: readonly FramePixels[]) =>
  frames.reduce(
    (sum, { bytes, rows, columns, bitsAllocated }) => sum + 8 * (bytes.length + (rows * columns * bitsAllocated) / 8),
    64 * 2 ** 20,
  );

/**
 * Stored values of compressed frames of one size, in one array; null where the decoder refuses one of them. Rescaling is
 * left to the caller.
 */
export async function decodeFrames(
  frames: readonly FramePixels[],
  limitBytes = memoryFor(frames),
): Promise<StoredArray | null> {
  const [first] = frames as [FramePixels];
  const Stored = storedType(first);
  const expected = first.rows * first.columns * frames.length;
  const files = frames.map(encapsulate);
  try {
    const decoded = run(await instance(limitBytes), files);
    return decoded instanceof Stored && decoded.length === expected ? decoded : null;
  } catch {
    // A damaged stream makes it throw a number, or what WebAssembly throws.
    return null;
  }
}

function run(gdcm: Gdcm, files: readonly Uint8Array[]): StoredArray | null {
  const names = files.map((bytes, index) => {
    gdcm.fs_writeFile(`${index}.dcm`, bytes);
    return `${index}.dcm`;
  });
  // The module sets the exit code of this process, which is none of its business.
  const { exitCode } = process;
  try {
    const status = gdcm.callMain(['0', '1', '--memory-io', '--single-sorted-series', '--input-images', ...names]);
    return status === 0 ? firstImage(gdcm) : null;
  } finally {
    process.exitCode = exitCode;
  }
}

const TYPES: Record<string, new (buffer: ArrayBuffer) => StoredArray> = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
};

function firstImage(gdcm: Gdcm): StoredArray | null {
  const ask = (name: string, ...args: number[]) =>
    gdcm.ccall(
      name,
      'number',
      args.map(() => 'number'),
      args,
    ) >>> 0;
  const { imageType } = JSON.parse(gdcm.UTF8ToString(ask('itk_wasm_output_json_address', 0, 0))) as {
    imageType: { componentType: string; components: number };
  };
  const Voxels = TYPES[imageType.componentType];
  if (!Voxels || imageType.components !== 1) return null;
  const start = ask('itk_wasm_output_array_address', 0, 0, 0);
  const bytes = ask('itk_wasm_output_array_size', 0, 0, 0);
  return new Voxels(gdcm.HEAPU8.slice(start, start + bytes).buffer);
}
