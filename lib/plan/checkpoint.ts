import { isAbsolute, join } from 'node:path';
import { openFolder } from '../pretrained/folder.ts';
import { readPretrained } from '../pretrained/open.ts';
import { parseReference } from '../pretrained/reference.ts';
import { decodeSafetensors } from '../safetensors.ts';
import { readSamConfig, type SamConfig } from '../sam/config.ts';
import { atInputSize, configAt } from '../sam/input-size.ts';
import { madeUpModel } from '../sam/made-up-model.ts';
import { parameterShapes, readSamModel, type SamModel } from '../sam/model.ts';

/** What a checkpoint's configuration says about sizes. */
export interface CheckpointFacts {
  /** Side of the square model input, in pixels. */
  readonly inputSize: number;
  /** [C, h, w] of one slice's embedding. */
  readonly embeddingShape: readonly [number, number, number];
  /** Side of the low-resolution masks. */
  readonly maskSize: number;
  /** Every tensor, by its Hugging Face name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

export interface FoundCheckpoint {
  /** Null where nothing is known of it without fetching it. */
  readonly facts: CheckpointFacts | null;
  /** Null where nothing is known of it: there is nothing to measure then. */
  readonly model: SamModel | null;
  /** Whether the model has the checkpoint's shape and weights of our own: it takes what the checkpoint would. */
  readonly isMadeUp: boolean;
}

/** Vision settings of models that are known by name; everything else of theirs is the default of SamConfig. */
const WELL_KNOWN: Readonly<Record<string, object>> = {
  'facebook/sam-vit-base': {},
  'wanglab/medsam-vit-base': {},
  'facebook/sam-vit-large': {
    ...{ hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16 },
    global_attn_indexes: [5, 11, 17, 23],
  },
  'facebook/sam-vit-huge': {
    ...{ hidden_size: 1280, num_hidden_layers: 32, num_attention_heads: 16 },
    global_attn_indexes: [7, 15, 23, 31],
  },
};

/** Opens `model.checkpoint` where it lies on this machine; nothing is fetched. Faults: those of reading a checkpoint. */
export async function findCheckpoint(
  checkpoint: string,
  inputSize: number | undefined,
  modelsDir: string,
): Promise<FoundCheckpoint> {
  const reference = parseReference(checkpoint);
  if (reference.kind === 'folder') {
    const { path } = reference;
    return openLocal(isAbsolute(path) ? path : join(modelsDir, path), checkpoint, inputSize);
  }
  const vision = reference.kind === 'hub' ? WELL_KNOWN[reference.repository] : undefined;
  if (!vision) return { facts: null, model: null, isMadeUp: false };
  const config = readSamConfig({ vision_config: vision });
  const facts = factsOf(config, inputSize);
  return { facts, model: madeUpModel(configAt(config, facts.inputSize)), isMadeUp: true };
}

async function openLocal(folder: string, checkpoint: string, inputSize: number | undefined): Promise<FoundCheckpoint> {
  const { config: json, preprocessor, weights } = await readPretrained(openFolder(folder, checkpoint));
  const config = readSamConfig(json);
  const facts = factsOf(config, inputSize);
  const bytes = new Uint8Array(weights.source.bytes);
  await weights.source.read(bytes, 0);
  const { tensors } = decodeSafetensors(bytes, checkpoint);
  const model = readSamModel({ config: json, preprocessor, tensors });
  return { facts, model: atInputSize(model, facts.inputSize), isMadeUp: false };
}

function factsOf(config: SamConfig, size = config.imageSize): CheckpointFacts {
  const { imageSize, decoder, grid, maskSize } = configAt(config, size);
  return {
    ...{ inputSize: imageSize, maskSize, embeddingShape: [decoder.hidden_size, grid, grid] },
    // As they are stored: at another size only positions change.
    shapes: parameterShapes(config),
  };
}
