// GDCM, as @itk-wasm/dicom compiled it to WebAssembly, without that package's own loader, which echoes all that GDCM says to
// the console, into `--json` output and logs where nothing of a patient's header belongs, and unpacks and compiles the module
// at every call. What is used of the module is what `itk-wasm` itself uses (run-pipeline-emscripten.js); the package's
// version is pinned. In JavaScript, so that a thread starts with it at once: tsx takes longer than a slice.
import { pathToFileURL } from 'node:url';

const PAGE_BYTES = 65536;

const TYPES = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
};

/** Pixels of DICOM files, one after the other; null where one of them is refused, or takes more memory than the limit. */
export async function decodeFiles({ module, script }, files, limitBytes) {
  try {
    const { default: create } = await import(pathToFileURL(script).href);
    return run(await instance(create, module, limitBytes), files);
  } catch {
    // A damaged stream makes it throw a number, or what WebAssembly throws.
    return null;
  }
}

/** A fresh one every time: an instance that met damaged pixels is not trusted with the next file. */
async function instance(create, module, limitBytes) {
  const options = {
    instantiateWasm(imports, done) {
      WebAssembly.instantiate(module, imports).then((made) => {
        limitMemory(made.exports, limitBytes);
        done(made);
      });
      return {};
    },
  };
  // The module sets both to the console; a setter that does nothing keeps ours.
  for (const name of ['print', 'printErr']) {
    Object.defineProperty(options, name, { get: () => () => {}, set: () => {}, enumerable: true });
  }
  return create(options);
}

/** Emscripten grows the exported memory by its method, and takes an error there for "no memory". */
function limitMemory(exports, limitBytes) {
  const memory = Object.values(exports).find((value) => value instanceof WebAssembly.Memory);
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (memory.buffer.byteLength + pages * PAGE_BYTES > limitBytes) throw new RangeError('limit of memory');
    return grow(pages);
  };
}

function run(gdcm, files) {
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

function firstImage(gdcm) {
  const ask = (name, ...args) => {
    const types = args.map(() => 'number');
    return gdcm.ccall(name, 'number', types, args) >>> 0;
  };
  const { imageType } = JSON.parse(gdcm.UTF8ToString(ask('itk_wasm_output_json_address', 0, 0)));
  const Voxels = TYPES[imageType.componentType];
  if (!Voxels || imageType.components !== 1) return null;
  const start = ask('itk_wasm_output_array_address', 0, 0, 0);
  const bytes = ask('itk_wasm_output_array_size', 0, 0, 0);
  return new Voxels(gdcm.HEAPU8.slice(start, start + bytes).buffer);
}
