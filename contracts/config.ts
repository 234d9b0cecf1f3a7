import { z } from 'zod';

/** The run configuration: what a user writes in YAML or JSON. Every default is here and nowhere else. */

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/, 'use lower-case letters, digits and hyphens, at most 41');
const relativePath = z.string().min(1);

/** What an archive must hash to. */
const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .optional();

export const SourceConfig = z.discriminatedUnion('kind', [
  /** A folder, or an archive (.zip, .tar, .tar.gz), on the io worker's machine. */
  z.strictObject({ kind: z.literal('local'), path: z.string().min(1), sha256 }),
  /** An archive over HTTP(S); with `sha256` the download is verified. */
  z.strictObject({ kind: z.literal('http'), url: z.url(), sha256 }),
  /** A data set of Kaggle, fetched with the io worker's account. */
  z.strictObject({
    kind: z.literal('kaggle'),
    dataset: z.string().regex(/^[\w-]+\/[\w-]+$/, 'owner/slug, as the address of its page ends'),
    /** Default: the newest. */
    version: z.int().positive().optional(),
    sha256,
  }),
  /** An archive or a folder in a bucket, on any server that speaks S3. */
  z.strictObject({
    kind: z.literal('s3'),
    bucket: z.string().min(3).max(63),
    /** Of the archive, or the folder that holds the files; empty: the whole bucket. */
    key: z.string().max(1024).default(''),
    /** Default: the server of the io worker's environment. */
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    region: z.string().min(1).optional(),
    sha256,
  }),
  /** The generated chest-CT phantom: no patient, no download. */
  z.strictObject({
    kind: z.literal('phantom'),
    patients: z.int().min(3).max(64).default(4),
    seed: z.int().nonnegative().default(7),
  }),
]);
export type SourceConfig = z.infer<typeof SourceConfig>;

/** Label values of mask files: together one structure, or by the names of several. */
const labelValues = z.array(z.int()).min(1);
export const LabelsConfig = z.union([
  labelValues,
  z
    .record(name, z.union([z.int(), labelValues]))
    .refine((labels) => Object.keys(labels).length > 0, 'name at least one structure')
    .refine((labels) => Object.keys(labels).length <= 255, 'at most 255 structures'),
]);
export type LabelsConfig = z.infer<typeof LabelsConfig>;

/** Whether structures are told apart by name. */
const hasNames = (labels: LabelsConfig | undefined): labels is Exclude<LabelsConfig, number[]> =>
  labels !== undefined && !Array.isArray(labels);

const splitName = z.enum(['train', 'val', 'test']);

export const PatientConfig = z.strictObject({
  id: z.string().min(1).max(200),
  /** NIfTI file or DICOM folder, relative to the source. */
  image: relativePath,
  mask: relativePath,
  /** Label values that are foreground; default: those of the data set. */
  labels: labelValues.optional(),
  /** All patients name one, or none does (then `split` decides). */
  split: splitName.optional(),
});

/** The work of matching grows with a power of the stars: a few say all that paths of patients need. */
const pathPattern = relativePath
  .max(1024)
  .includes('{patient}')
  .regex(
    /^(?!.*(?:\*[^/*]*){4})(?!(?:.*?\*\*){5})/,
    'at most three `*` in a part between slashes, and four parts `**`',
  );

export const DatasetConfig = z.strictObject({
  /** What is segmented, e.g. `lungs`; shown in titles and file names. */
  target: name,
  /** How patients are found where neither `patients` nor `pattern` says it: by the only layout that explains every scan. */
  layout: z.literal('auto').optional(),
  /** Either the patients one by one ... */
  patients: z.array(PatientConfig).min(1).optional(),
  /** ... or a pair of patterns with `{patient}` in each, relative to the source; `*` is any part of a name. */
  pattern: z.strictObject({ image: pathPattern, mask: pathPattern }).optional(),
  /** Label values that are foreground, or named structures to learn and score one by one; default: every value but zero is. */
  labels: LabelsConfig.optional(),
});
export type DatasetConfig = z.infer<typeof DatasetConfig>;

export const SplitConfig = z.strictObject({
  seed: z.int().nonnegative().default(7),
  /** Number of patients held out; the rest trains. */
  val: z.int().min(1).default(1),
  test: z.int().min(1).default(1),
  /** Each part gets its share of every combination of labels that masks hold; with one structure it changes nothing. */
  stratify: z.boolean().default(true),
  /** Cross-validation: so many runs, each tested on another part of the patients, instead of one run that tests `test` of them. */
  folds: z.union([z.int().min(2), z.literal('leave-one-out')]).optional(),
});
export type SplitConfig = z.infer<typeof SplitConfig>;
/** The same for one run of a cross-validation: which fold it tests, from 0. The workflow sets it, not the user. */
export const SplitSettings = SplitConfig.extend({ fold: z.int().nonnegative().optional() });
export type SplitSettings = z.infer<typeof SplitSettings>;

/** Intensity window: part of the model, so inference on another window is refused. */
export const WindowConfig = z.union([
  z.enum(['lung', 'soft-tissue', 'bone', 'brain', 'seed']),
  z.strictObject({ widthHu: z.number().positive(), levelHu: z.number() }),
  z.strictObject({ lowPercentile: z.number().min(0).max(100), highPercentile: z.number().min(0).max(100) }),
]);
export type WindowConfig = z.infer<typeof WindowConfig>;

export const SlicesConfig = z.strictObject({
  /** `auto` is axial by the affine: the voxel axis nearest to superior-inferior. `all` cuts all three ways. */
  axis: z.enum(['auto', 'axial', 'coronal', 'sagittal', 'all']).default('auto'),
  window: WindowConfig.default('soft-tissue'),
  /** Size of a pixel: as scanned, the finer of both sides for both, or millimetres. */
  pixels: z.union([z.enum(['scan', 'square']), z.number().min(0.05).max(50)]).default('scan'),
  /** Slices with fewer foreground pixels are not trained or scored slice by slice. */
  minForegroundPixels: z.int().min(1).default(16),
  /** Of the slices to train on, every so many-th; whoever is scored keeps all. */
  everyNth: z.int().min(1).max(1000).default(1),
  /** Share of the slices without foreground that training has too, evenly spread. `auto`: a quarter for a box proposer, else none. */
  negatives: z.union([z.literal('auto'), z.number().min(0).max(1)]).default('auto'),
});
export type SlicesConfig = z.infer<typeof SlicesConfig>;

/** The same with every `auto` that other settings decide decided. */
export const ChosenSlices = z.strictObject({ ...SlicesConfig.shape, negatives: z.number().min(0).max(1).default(0) });
export type ChosenSlices = z.infer<typeof ChosenSlices>;
/** Enough to tell what is not there. */
const NEGATIVES_OF_PROPOSER = 0.25;

export const PromptsConfig = z.strictObject({
  /** What an object is pointed out with. */
  kind: z.enum(['box', 'points', 'box-and-points']).default('box'),
  /** Clicks inside the object and beside it, where the kind has any. */
  positivePoints: z.int().min(1).max(32).default(1),
  negativePoints: z.int().min(0).max(32).default(0),
  /** One box per connected component of the mask, or one round all of it. */
  box: z.enum(['component', 'label']).default('component'),
  /** Training boxes: each side moves outward by up to this fraction of the box's longer side, drawn by seed ... */
  jitter: z.number().min(0).max(1).default(0.1),
  /** ... and by no more than this many pixels of a model input of 1024. */
  jitterPixels: z.number().min(0).max(1024).default(20),
  /** Components smaller than this get no box of their own. */
  minComponentPixels: z.int().min(1).default(16),
  /** Boxes round masks are wider by this fraction of their longer side ... */
  padding: z.number().min(0).max(1).default(0),
  /** ... and by so many pixels of a model input of 1024. */
  paddingPixels: z.number().min(0).max(1024).default(0),
  /** What a slice without foreground is prompted with: nothing, or the whole image. */
  empty: z.enum(['none', 'image']).default('none'),
  /**
   * Where boxes come from on a scan without truth: a classical rule for lungs, the training set's prior, the whole image, or a
   * small head that learns on the embeddings beside the model.
   */
  automatic: z.enum(['lungs', 'prior', 'image', 'proposer']).default('prior'),
  /** Of these boxes only those of the surest slice count; the masks found there are followed from slice to slice. */
  propagate: z.boolean().default(false),
});
export type PromptsConfig = z.infer<typeof PromptsConfig>;

/** What learns; everything else stays as the checkpoint has it. */
export const TrainableConfig = z.union([
  /** The mask decoder alone, or with the prompt encoder: embeddings are computed once and kept. */
  z.enum(['decoder', 'decoder-and-prompts']),
  /** Everything, encoder too: embeddings change with every step, so the encoder runs in each of them. */
  z.literal('everything'),
  /** The mask decoder, and low-rank updates of the encoder's attention (qkv and projection), which run it in every step too. */
  z.strictObject({ lora: z.int().min(1).max(64) }),
]);
export type TrainableConfig = z.infer<typeof TrainableConfig>;

export const TrainingConfig = z
  .strictObject({
    seed: z.int().nonnegative().default(7),
    train: TrainableConfig.default('decoder'),
    epochs: z.int().min(1).max(10_000).default(20),
    /** Ends the training after so many epochs without a better validation score; 0 never does. */
    patience: z.int().nonnegative().default(10),
    /** Boxes in one batch; `boxesPerImage` of them lie on one slice and share its embedding. */
    batchBoxes: z.int().min(1).max(256).default(8),
    boxesPerImage: z.int().min(1).max(64).default(1),
    /**
     * Boxes of a batch that go through the model at once, in whole slices: fewer take less memory and give the same
     * gradients but for rounding. `auto` is what keeps activations of a decoder under half a GiB.
     */
    boxesPerPass: z.union([z.literal('auto'), z.int().min(1).max(256)]).default('auto'),
    /** Batches whose gradients are averaged into one update. */
    accumulate: z.int().min(1).max(256).default(1),
    /** `focal-dice` is 20 focal : 1 Dice : 1 squared error of the predicted IoU, which trains the IoU head too. */
    loss: z.enum(['dice-ce', 'dice', 'focal-dice', 'tversky']).default('dice-ce'),
    optimiser: z.enum(['adam', 'adamw']).default('adamw'),
    learningRate: z.number().positive().max(1).default(1e-4),
    weightDecay: z.number().min(0).max(1).default(0.01),
    /** Updates of linear warm-up; at most a tenth of the run. */
    warmupSteps: z.int().nonnegative().default(250),
    /** After the warm-up: constant, down to a tenth by a cosine, or halved after three epochs without a better score. */
    schedule: z.enum(['constant', 'cosine', 'plateau']).default('cosine'),
    /** Largest global gradient norm; 0 turns clipping off. */
    clipNorm: z.number().min(0).default(1),
    /** Steps between checkpoints in the store: what a killed worker can lose. */
    checkpointEverySteps: z.int().min(1).default(20),
  })
  .refine(({ batchBoxes, boxesPerImage }) => batchBoxes % boxesPerImage === 0, {
    path: ['batchBoxes'],
    message: 'a multiple of boxesPerImage',
  });
export type TrainingConfig = z.infer<typeof TrainingConfig>;

/** What is done to predicted masks, in this order. */
export const PostProcessConfig = z.strictObject({
  /** Background that the structure encloses on all sides becomes part of it. */
  fillHoles: z.boolean().default(false),
  /** Components with less volume go. */
  minComponentMm3: z.number().min(0).default(0),
  /** Of what is left, only the largest component stays. */
  largestComponent: z.boolean().default(false),
});
export type PostProcessConfig = z.infer<typeof PostProcessConfig>;

/** How masks are scored: it changes no mask but by `postProcess`. See docs/reference/metrics.md. */
export const EvaluationConfig = z.strictObject({
  /** What a surface is: pieces with an area between voxels, or foreground voxels at the border, as MONAI has it. */
  surface: z.enum(['sub-voxel', 'voxel-edge']).default('sub-voxel'),
  /** Tolerances of the normalised surface Dice. */
  tolerancesMm: z.array(z.number().positive().max(100)).min(1).max(5).default([1, 2, 5]),
  /** `auto` chooses on the validation patients, and on them alone. */
  postProcess: z.union([z.enum(['auto', 'none']), PostProcessConfig]).default('auto'),
  /** Of the bootstrap's resamples. */
  seed: z.int().nonnegative().default(7),
});
export type EvaluationConfig = z.infer<typeof EvaluationConfig>;

/** What computes. The gpu worker has it, or refuses the run: nothing falls back silently. */
export const DeviceConfig = z.string().regex(/^(cpu|webgpu|cuda(:\d{1,2})?)$/, 'cpu, cuda, cuda:N or webgpu');
export type DeviceConfig = z.infer<typeof DeviceConfig>;

export const ModelConfig = z.strictObject({
  /**
   * A model in Hugging Face layout: `sam-nano` (in the repository), a folder on the io worker's machine, `s3://bucket/prefix`
   * or `hf:owner/name[@revision]` of the Hugging Face hub.
   */
  checkpoint: z.string().min(1).default('sam-nano'),
  /** Side of the square input; smaller than the checkpoint's own is faster, with its positions interpolated. */
  inputSize: z.int().positive().multipleOf(16).optional(),
  /** Of the image encoder. `auto`: float32 on a CPU, float16 on a GPU. `int8` is for CPUs. */
  precision: z.enum(['auto', 'float32', 'float16', 'int8']).default('auto'),
});

/** What a user writes, with its defaults. */
export const WrittenConfig = z
  .strictObject({
    name,
    /** A file of settings that come with samflow; what stands in this configuration goes before it. */
    preset: z.enum(['default', 'seed']).optional(),
    device: DeviceConfig.default('cpu'),
    source: SourceConfig,
    dataset: DatasetConfig,
    split: SplitConfig.prefault({}),
    model: ModelConfig.prefault({}),
    slices: SlicesConfig.prefault({}),
    prompts: PromptsConfig.prefault({}),
    training: TrainingConfig.prefault({}),
    evaluation: EvaluationConfig.prefault({}),
  })
  .check((context) => {
    const { device, model, dataset, prompts, slices, training } = context.value;
    const { patients, pattern, layout } = dataset;
    const issue = (path: (string | number)[], message: string) =>
      context.issues.push({ code: 'custom', input: context.value, path, message });
    if (model.precision === 'int8' && device !== 'cpu') issue(['model', 'precision'], 'int8 is for device cpu');
    const structures = hasNames(dataset.labels) ? Object.values(dataset.labels) : [];
    const values = structures.flat();
    const twice = values.find((value, at) => values.indexOf(value) < at);
    if (twice !== undefined) issue(['dataset', 'labels'], `the value ${twice} may stand under one name only`);
    if (structures.length > 1) {
      const say = (key: string, why: string) => issue(['prompts', key], `with several structures: ${why}`);
      if (prompts.automatic === 'lungs') say('automatic', 'the rule for lungs finds one');
      if (prompts.automatic === 'image') say('automatic', 'a box round the whole image does not say which is meant');
      if (prompts.empty === 'image') say('empty', 'a box round the whole image does not say which is meant');
    }
    const { automatic } = prompts;
    if (slices.negatives !== 'auto' && slices.negatives > 0 && prompts.empty === 'none' && automatic !== 'proposer') {
      issue(
        ['slices', 'negatives'],
        'slices without foreground teach nothing without prompts: set prompts.empty to image, or prompts.automatic to proposer',
      );
    }
    const { train } = training;
    if (automatic === 'proposer' && (train === 'everything' || typeof train === 'object')) {
      issue(
        ['prompts', 'automatic'],
        'a box proposer learns on embeddings that stay: set training.train to decoder or decoder-and-prompts',
      );
    }
    if ([patients, pattern, layout].filter(Boolean).length > 1) {
      issue(['dataset'], 'give one of `patients`, `pattern` and `layout`');
    }
    if (patients?.some((patient) => patient.split) && context.value.split.folds !== undefined) {
      issue(['split', 'folds'], 'no `split` of single patients: in a cross-validation every patient is tested on once');
    }
    if (patients) {
      const named = patients.filter((patient) => patient.split).length;
      if (named > 0 && named < patients.length) {
        issue(['dataset', 'patients'], 'give every patient a `split`, or none');
      }
      if (hasNames(dataset.labels) && patients.some((patient) => patient.labels)) {
        issue(
          ['dataset', 'patients'],
          'structures have the same labels in every patient: leave `labels` of patients out',
        );
      }
      if (new Set(patients.map((patient) => patient.id)).size < patients.length) {
        issue(['dataset', 'patients'], 'each patient `id` may stand once');
      }
    }
  });

/** The run configuration as the stages know it: what depends on other settings is decided. */
export const RunConfig = WrittenConfig.transform(({ slices, ...config }) => {
  const negatives = config.prompts.automatic === 'proposer' ? NEGATIVES_OF_PROPOSER : 0;
  const chosen = { ...slices, negatives: slices.negatives === 'auto' ? negatives : slices.negatives };
  return { ...config, slices: chosen satisfies ChosenSlices };
});
export type RunConfig = z.infer<typeof RunConfig>;
export type RunConfigInput = z.input<typeof RunConfig>;
