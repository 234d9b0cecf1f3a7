import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../fault.ts';
import { withWorkFolder } from './work-folder.ts';

/** What computes: the processor, an NVIDIA card by its number (0 where none is given), or any card through WebGPU. */
export type Device = 'cpu' | 'webgpu' | 'cuda' | `cuda:${number}`;

interface Provider {
  /** As ONNX Runtime's session options name it. */
  readonly option: string | { readonly name: string; readonly deviceId: number };
  /** As its profiles name it. */
  readonly name: string;
  readonly install: string;
}

/** ONNX Runtime's execution provider for a device. */
export function providerOf(device: Device): Provider {
  if (device === 'cpu') return { option: 'cpu', name: 'CPUExecutionProvider', install: '' };
  if (device === 'webgpu') {
    return {
      option: 'webgpu',
      name: 'WebGpuExecutionProvider',
      install: "Install a Vulkan driver for the graphics card (on Debian: mesa-vulkan-drivers, or the maker's own)",
    };
  }
  return {
    option: { name: 'cuda', deviceId: Number(device.split(':')[1] ?? 0) },
    name: 'CUDAExecutionProvider',
    install:
      'Install CUDA 12, cuDNN 9 and the CUDA files of onnxruntime-node: ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js',
  };
}

/** @throws Fault RUNTIME_PROVIDER, with what the runtime said in one line */
export function refuseDevice(device: Device, error: unknown): never {
  const said = error instanceof Error ? error.message : String(error);
  throw new Fault('RUNTIME_PROVIDER', {
    at: 'device',
    found: `${device}, which does not work here: ${said.replace(/\s+/g, ' ').slice(0, 300)}`,
    expected: 'a device that this worker has',
    fix: `${providerOf(device).install}; or set device to cpu`,
  });
}

/**
 * ONNX model of y = x x for x [2, 2] (float32): the least that shows where an operator runs. A test holds it against the
 * emitter's bytes.
 */
export const PROBE_MODEL = Buffer.from(
  'CAkSB3NhbWZsb3c6SQoUCgF4CgF4EgF5GgF5IgZNYXRNdWwSB3NhbWZsb3daEwoBeBIOCgwIARIICgIIAgoCCAJiEwoBeRIOCgwIARIICgIIAgoCCAJCBAoAEBQ=',
  'base64',
);

/**
 * Runs `use` with a prefix for profiles, and says which provider each operator ran on. Only the profile tells: a runtime
 * that cannot use a provider may go on with another one without a word.
 */
export function providersUsed(use: (profilePrefix: string) => Promise<void>): Promise<Set<string>> {
  return withWorkFolder(async (folder) => {
    await use(join(folder, 'profile'));
    const [name] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, name!), 'utf8')) as { args?: { provider?: string } }[];
    return new Set(events.flatMap(({ args }) => (args?.provider ? [args.provider] : [])));
  });
}
