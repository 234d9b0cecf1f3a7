import { z } from 'zod';
import type { ArtifactRef } from '../contracts/artifact.ts';
import type { ModelRef } from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { decodeSafetensors, type SafeTensor } from '../lib/safetensors.ts';
import { atInputSize } from '../lib/sam/input-size.ts';
import { type ModelPart, readSamModel, type SamModel } from '../lib/sam/model.ts';

/** A model from the store. The one read last is kept: shards of one run follow each other on the same model. */
export class Models {
  readonly #artifacts: ArtifactStore;
  #last: { key: string; model: Promise<SamModel> } | null = null;

  constructor(artifacts: ArtifactStore) {
    this.#artifacts = artifacts;
  }

  open(ref: ModelRef, part: ModelPart = 'whole'): Promise<SamModel> {
    const key = [part, ...modelDigests(ref)].join('/');
    if (this.#last?.key !== key) {
      const model = this.#read(ref, part);
      this.#last = { key, model };
      // A failure is not kept.
      model.catch(() => {
        if (this.#last?.model === model) this.#last = null;
      });
    }
    return this.#last.model;
  }

  async #read({ config, preprocessor, weights, decoder, inputSize }: ModelRef, part: ModelPart): Promise<SamModel> {
    const files = {
      config: await this.#artifacts.getJson(config, z.unknown()),
      preprocessor: await this.#artifacts.getJson(preprocessor, z.unknown()),
    };
    const [ref, held] = part === 'decoder' && decoder ? [decoder, part] : [weights, 'whole' as const];
    const model = readSamModel({ ...files, tensors: await readTensors(this.#artifacts, ref) }, held);
    return atInputSize(model, inputSize ?? model.config.imageSize);
  }
}

export async function readTensors(artifacts: ArtifactStore, ref: ArtifactRef): Promise<Map<string, SafeTensor>> {
  return decodeSafetensors(await artifacts.get(ref), ref.kind).tensors;
}

/** What a model is and how it is run, for a memo's inputs: another device or precision gives other bits. */
export const modelDigests = ({ config, preprocessor, weights, inputSize, precision, device }: ModelRef): string[] => [
  config.sha256,
  preprocessor.sha256,
  weights.sha256,
  ...(inputSize ? [`input ${inputSize}`] : []),
  ...(precision ? [`precision ${precision}`] : []),
  // Cards of one kind compute alike.
  ...(device ? [`device ${device.split(':')[0]}`] : []),
];
