import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ZSTDDecoder } from '@thewtex/zstddec';
import type { VoxelArray } from './nifti.ts';

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
  instantiate(module: object, imports: object): Promise<object>;
};

type Instantiate = (imports: object, done: (instance: object) => void) => object;
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

/** A fresh instance: one that met damaged pixels is not trusted with the next file. */
async function instance(): Promise<Gdcm> {
  loaded ??= load();
  const { create, module } = await loaded;
  const instantiateWasm: Instantiate = (imports, done) => {
    WebAssembly.instantiate(module, imports).then(done);
    return {};
  };
  const options = { instantiateWasm };
  // The module sets both to the console; a setter that does nothing keeps ours.
  for (const name of ['print', 'printErr']) {
    Object.defineProperty(options, name, { get: () => () => {}, set: () => {}, enumerable: true });
  }
  return create(options);
}

const TYPES: Record<string, new (buffer: ArrayBuffer) => VoxelArray> = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

/**
 * Rescaled pixels of DICOM files, frame after frame in the order given, columns fastest; null where GDCM refuses them. It
 * throws what a damaged stream makes it throw.
 */
export async function decodeDicom(files: readonly Uint8Array[]): Promise<VoxelArray | null> {
  const gdcm = await instance();
  // Neutral names: GDCM knows no file of ours.
  const names = files.map((bytes, index) => {
    gdcm.fs_writeFile(`${index}.dcm`, bytes);
    return `${index}.dcm`;
  });
  const status = gdcm.callMain(['0', '1', '--memory-io', '--single-sorted-series', '--input-images', ...names]);
  return status === 0 ? firstImage(gdcm) : null;
}

function firstImage(gdcm: Gdcm): VoxelArray | null {
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
