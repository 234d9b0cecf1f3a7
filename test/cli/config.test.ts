import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { prepareRun } from '../../cli/config/prepare.ts';
import { checkConfig, readConfig } from '../../cli/config/read-config.ts';
import { exitCodeOf } from '../../cli/exit-codes.ts';
import { isFault } from '../../lib/fault.ts';

const GOOD = `
name: lungs
source: { kind: phantom }
dataset:
  target: lungs
  pattern: { image: 'IMG_{patient}.nii.gz', mask: 'MASK_{patient}.nii.gz' }
`;
const PATIENT = 'dataset: { target: a, patients: [{ id: a, image: a, mask: b }] }';

type Case = [claim: string, text: string, settings: string[], message: string];
const CASES: Case[] = [
  [
    'a misspelt key',
    `${GOOD}trainin: { epochs: 3 }`,
    [],
    'trainin: found a key that samflow does not know, expected one of name, preset, device, source, dataset, split, model, slices, prompts, training, evaluation. Did you mean `training`? [CONFIG]',
  ],
  [
    'a misspelt key inside a section',
    `${GOOD}training: { epoch: 3 }`,
    [],
    'training.epoch: found a key that samflow does not know, expected one of seed, train, epochs, patience, batchBoxes, boxesPerImage, boxesPerPass, accumulate, loss, optimiser, learningRate, weightDecay, warmupSteps, schedule, clipNorm, checkpointEverySteps. Did you mean `epochs`? [CONFIG]',
  ],
  [
    'a key of another kind of source',
    GOOD.replace('kind: phantom', 'kind: phantom, path: x'),
    [],
    'source.path: found a key that samflow does not know, expected one of kind, patients, seed. Remove the key. [CONFIG]',
  ],
  [
    'an unknown kind of source',
    GOOD.replace('phantom', 'phantm'),
    [],
    'source.kind: found `phantm` (text), expected one of local, http, kaggle, s3, phantom. Did you mean `phantom`? [CONFIG]',
  ],
  [
    'an unknown word',
    `${GOOD}slices: { window: lungs }`,
    [],
    'slices.window: found `lungs` (text), expected one of lung, soft-tissue, bone, brain, seed. Did you mean `lung`? [CONFIG]',
  ],
  [
    'half of a window',
    `${GOOD}slices: { window: { widthHu: 400 } }`,
    [],
    'slices.window.levelHu: found nothing, expected a number. Add `slices.window.levelHu`. [CONFIG]',
  ],
  [
    'text where a number is due',
    `${GOOD}training: { learningRate: '1e-4 ' }`,
    [],
    'training.learningRate: found `1e-4 ` (text), expected a number. Correct `training.learningRate`. [CONFIG]',
  ],
  [
    'NaN',
    `${GOOD}training: { learningRate: .nan }`,
    [],
    'training.learningRate: found `NaN`, expected a number. Correct `training.learningRate`. [CONFIG]',
  ],
  [
    'a negative number of epochs',
    `${GOOD}training: { epochs: -1 }`,
    [],
    'training.epochs: found `-1`, expected at least 1. Correct `training.epochs`. [CONFIG]',
  ],
  [
    'half an epoch',
    `${GOOD}training: { epochs: 1.5 }`,
    [],
    'training.epochs: found `1.5`, expected a whole number. Correct `training.epochs`. [CONFIG]',
  ],
  [
    'an input size between two patches',
    `${GOOD}model: { inputSize: 100 }`,
    [],
    'model.inputSize: found `100`, expected a multiple of 16. Correct `model.inputSize`. [CONFIG]',
  ],
  [
    'a rank of nothing',
    `${GOOD}training: { train: { lora: 0 } }`,
    [],
    'training.train.lora: found `0`, expected at least 1. Correct `training.train.lora`. [CONFIG]',
  ],
  [
    'a box proposer without embeddings to learn on',
    `${GOOD}prompts: { automatic: proposer }\ntraining: { train: everything }`,
    [],
    'prompts.automatic: found a contradiction, expected a box proposer learns on embeddings that stay: set training.train to decoder or decoder-and-prompts. Correct `prompts.automatic`. [CONFIG]',
  ],
  [
    'slices without the target that nobody learns from',
    `${GOOD}slices: { negatives: 0.1 }`,
    [],
    'slices.negatives: found a contradiction, expected slices without foreground teach nothing without prompts: set prompts.empty to image, or prompts.automatic to proposer. Correct `slices.negatives`. [CONFIG]',
  ],
  [
    'no source',
    'name: a\ndataset: { target: a, pattern: { image: "{patient}", mask: "{patient}" } }',
    [],
    'source: found nothing, expected a section. Add `source`. [CONFIG]',
  ],
  [
    'a pattern without a patient in it',
    GOOD.replace('IMG_{patient}', 'IMG'),
    [],
    'dataset.pattern.image: found `IMG.nii.gz` (text), expected `{patient}` in it. Correct `dataset.pattern.image`. [CONFIG]',
  ],
  [
    'a pattern that would take hours to match',
    GOOD.replace('IMG_{patient}', '*a*a*a*a{patient}'),
    [],
    'dataset.pattern.image: found `*a*a*a*a{patient}.nii.gz` (text), expected at most three `*` in a part between slashes, and four parts `**`. Correct `dataset.pattern.image`. [CONFIG]',
  ],
  [
    'no address',
    GOOD.replace('kind: phantom', 'kind: http, url: example'),
    [],
    'source.url: found `example` (text), expected an address that starts with http:// or https://. Correct `source.url`. [CONFIG]',
  ],
  [
    'patients and a pattern at once',
    GOOD.replace('target: lungs', 'target: lungs\n  patients: [{ id: a, image: a, mask: b }]'),
    [],
    'dataset: found a contradiction, expected give one of `patients`, `pattern` and `layout`. Correct `dataset`. [CONFIG]',
  ],
  [
    'one patient under two entries',
    `name: a\nsource: { kind: phantom }\n${PATIENT.replace('}]', '}, { id: a, image: c, mask: d }]')}`,
    [],
    'dataset.patients: found a contradiction, expected each patient `id` may stand once. Correct `dataset.patients`. [CONFIG]',
  ],
  [
    'a missing key deep in a list',
    `name: a\nsource: { kind: phantom }\n${PATIENT.replace(', mask: b', '')}`,
    [],
    'dataset.patients[0].mask: found nothing, expected text. Add `dataset.patients[0].mask`. [CONFIG]',
  ],
  [
    'a key that stands twice',
    `${GOOD}name: b`,
    [],
    'run.yaml, line 7: found Map keys must be unique, expected YAML or JSON. Correct the line. [CONFIG]',
  ],
  [
    'a list',
    '- a',
    [],
    'run.yaml: found a list, expected a mapping with name, source and dataset. Start from examples/phantom.yaml. [CONFIG]',
  ],
  [
    'nothing',
    '',
    [],
    'run.yaml: found an empty file, expected a mapping with name, source and dataset. Start from examples/phantom.yaml. [CONFIG]',
  ],
  [
    'a setting without a value',
    GOOD,
    ['training.epochs'],
    '--set: found `training.epochs`, expected key=value. Write e.g. --set training.epochs=5. [CONFIG]',
  ],
  [
    'a setting below a single value',
    GOOD,
    ['name.first=a'],
    '--set name.first: found `name`, which is a single value, expected a section. Set the key itself. [CONFIG]',
  ],
  [
    'a single fold',
    GOOD,
    ['split.folds=1'],
    'split.folds: found `1`, expected at least 2. Correct `split.folds`. [CONFIG]',
  ],
  [
    'folds of patients that name their part themselves',
    GOOD,
    ['dataset={ target: a, patients: [{ id: a, image: a, mask: b, split: test }] }', 'split.folds=leave-one-out'],
    'split.folds: found a contradiction, expected no `split` of single patients: in a cross-validation every patient is tested on once. Correct `split.folds`. [CONFIG]',
  ],
  [
    'a setting of an unknown key',
    GOOD,
    ['training.rate=1'],
    'training.rate: found a key that samflow does not know, expected one of seed, train, epochs, patience, batchBoxes, boxesPerImage, boxesPerPass, accumulate, loss, optimiser, learningRate, weightDecay, warmupSteps, schedule, clipNorm, checkpointEverySteps. Remove the key. [CONFIG]',
  ],
];

describe('a run configuration', () => {
  for (const [claim, text, settings, message] of CASES) {
    it(`is refused in one sentence for ${claim}`, () => {
      assert.throws(
        () => checkConfig(text, 'run.yaml', settings),
        (error) => isFault(error) && assert.equal(error.message.split(' [')[0], message.split(' [')[0]) === undefined,
      );
    });
  }

  it('decides how many slices without the target a box proposer needs, unless somebody did', () => {
    const negatives = (text: string) => checkConfig(`${GOOD}${text}`, 'run.yaml').slices.negatives;
    assert.equal(negatives(''), 0);
    assert.equal(negatives('prompts: { automatic: proposer }'), 0.25);
    assert.equal(negatives('prompts: { automatic: proposer }\nslices: { negatives: 0.5 }'), 0.5);
  });

  it('takes settings from the command line over those of the file, as YAML reads them', () => {
    const config = checkConfig(GOOD, 'run.yaml', [
      'training.epochs=3',
      'training.optimiser=adam',
      'slices.window={ lowPercentile: 1, highPercentile: 99 }',
      'dataset.labels=[1, 2]',
    ]);
    assert.equal(config.training.epochs, 3);
    assert.equal(config.training.optimiser, 'adam');
    assert.deepEqual(config.slices.window, { lowPercentile: 1, highPercentile: 99 });
    assert.deepEqual(config.dataset.labels, [1, 2]);
  });

  it('reads JSON, with a byte order mark too', () => {
    const json = JSON.stringify({ name: 'a', source: { kind: 'phantom' }, dataset: checkConfig(GOOD, 'a').dataset });
    assert.equal(checkConfig(`\uFEFF${json}`, 'run.json').name, 'a');
  });

  for (const example of ['phantom', 'aorta', 'lungs-kaggle-layout', 'lungs-seed']) {
    it(`examples/${example}.yaml is one`, async () => {
      await readConfig(new URL(`../../examples/${example}.yaml`, import.meta.url).pathname);
    });
  }

  it('names the file that is not there', async () => {
    await assert.rejects(readConfig('/nowhere/run.yaml'), /^Fault: run\.yaml: found no such file/);
  });
});

describe('preparing a run', () => {
  it('refuses a source path where nothing is, before anything is started', async () => {
    const config = checkConfig(GOOD.replace('kind: phantom', 'kind: local, path: nowhere'), 'run.yaml');
    await assert.rejects(prepareRun(config, tmpdir()), /^Fault: source\.path: found `nowhere`, where nothing is/);
  });

  describe('of data on this machine', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'samflow-config-'));
      for (const name of ['IMG_1.nii.gz', 'MASK_1.nii.gz', 'IMG_2.nii.gz']) await writeFile(join(folder, name), '');
    });
    after(() => rm(folder, { recursive: true }));
    const data = (dataset: string): string =>
      `name: a\nsource: { kind: local, path: . }\ndataset: { target: a, ${dataset} }\n`;

    const REFUSED: [claim: string, dataset: string, message: RegExp][] = [
      [
        'an image that is not there',
        'patients: [{ id: a, image: IMG_3.nii.gz, mask: MASK_1.nii.gz }]',
        /^dataset\.patients\[0\]\.image: found nothing named IMG_3\.nii\.gz, .*\[PATIENT_FILE_MISSING\]$/,
      ],
      [
        'a mask that is not there',
        'patients: [{ id: a, image: IMG_1.nii.gz, mask: lungs/MASK_1.nii.gz }]',
        /^dataset\.patients\[0\]\.mask: found nothing named MASK_1\.nii\.gz, .*\[PATIENT_FILE_MISSING\]$/,
      ],
      [
        'a pattern that nothing matches',
        "pattern: { image: 'ct/{patient}.nii', mask: 'seg/{patient}.nii' }",
        /^dataset\.pattern: found none of 3 files matching ct\/\{patient\}\.nii or .*\[NO_PATIENTS\]$/,
      ],
      [
        'a pattern that leaves an image alone',
        "pattern: { image: 'IMG_{patient}.nii.gz', mask: 'MASK_{patient}.nii.gz' }",
        /^IMG_2\.nii\.gz: found no file to go with it, expected a mask by MASK_.*\[PATIENT_FILE_MISSING\]$/,
      ],
    ];
    for (const [claim, dataset, message] of REFUSED) {
      it(`refuses ${claim}, before anything is started`, async () => {
        const error: unknown = await prepareRun(checkConfig(data(dataset), 'a'), folder).catch((reason) => reason);
        assert.ok(isFault(error));
        assert.match(error.message, message);
        assert.equal(exitCodeOf(error), 2);
      });
    }
  });

  const CHECKPOINTS: [claim: string, checkpoint: string, message: RegExp][] = [
    [
      'a word that is no model',
      'sam-nno',
      /^model\.checkpoint: found `sam-nno`, which does not come with samflow, expected sam-nano, a folder .* Did you mean `sam-nano`\?/,
    ],
    [
      'a word that is like none',
      'resnet',
      /expected sam-nano, .* Name a folder with a slash in it, e\.g\. \.\/model\. \[CONFIG\]/,
    ],
    [
      'a folder that holds no model',
      './test',
      /^model\.checkpoint: found test without a readable config\.json, .*\[MODEL_FILE_MISSING\]$/,
    ],
    [
      'a folder that is not there',
      './nowhere',
      /^model\.checkpoint: found `\.\/nowhere`, where nothing is.*\[CONFIG\]$/,
    ],
  ];
  for (const [claim, checkpoint, message] of CHECKPOINTS) {
    it(`refuses as checkpoint ${claim}, before anything is started`, async () => {
      const config = checkConfig(GOOD, 'run.yaml', [`model.checkpoint=${checkpoint}`]);
      const error: unknown = await prepareRun(config).catch((reason) => reason);
      assert.ok(isFault(error));
      assert.match(error.message, message);
      assert.equal(exitCodeOf(error), 2);
    });
  }

  it('takes a model of the hub or of a bucket as it is named, and says how a name of the hub is written', async () => {
    const prepare = async (checkpoint: string) => {
      const { settings } = await prepareRun(
        checkConfig(GOOD, 'run.yaml', [`model.checkpoint=${checkpoint}`]),
        tmpdir(),
      );
      return settings.model.checkpoint;
    };
    for (const checkpoint of ['hf:facebook/sam-vit-base', 's3://models/sam', 'sam-nano']) {
      assert.equal(await prepare(checkpoint), checkpoint);
    }
    await assert.rejects(
      prepare('facebook/sam-vit-base'),
      /where nothing is.*Write hf:facebook\/sam-vit-base if the model of the Hugging Face hub is meant/,
    );
    await assert.rejects(prepare('hf:sam-vit-base'), /expected hf:owner\/name.*\[MODEL_REFERENCE\]/);
  });

  it('gives one id to one configuration and data, and another when either changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'samflow-config-'));
    try {
      await writeFile(join(folder, 'IMG_1.nii.gz'), 'a');
      await writeFile(join(folder, 'MASK_1.nii.gz'), 'a');
      const text = GOOD.replace('kind: phantom', 'kind: local, path: .');
      const idOf = async (settings: string[] = []) => (await prepareRun(checkConfig(text, 'a', settings), folder)).run;
      const first = await idOf();
      assert.match(first, /^lungs-[0-9a-f]{12}$/);
      assert.equal(await idOf(), first);
      assert.notEqual(await idOf(['training.epochs=3']), first);
      await writeFile(join(folder, 'IMG_1.nii.gz'), 'longer');
      assert.notEqual(await idOf(), first);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('keeps patients and paths out of the settings that travel', async () => {
    const text = `name: a\nsource: { kind: phantom }\n${PATIENT.replaceAll('id: a', 'id: DOE-JOHN')}`;
    const { settings, spec } = await prepareRun(checkConfig(text, 'a'));
    assert.doesNotMatch(JSON.stringify(settings), /DOE/);
    assert.match(JSON.stringify(spec), /DOE-JOHN/);
  });
});

describe('a source in one word', () => {
  const source = (word: string, ...settings: string[]) =>
    checkConfig(`name: a\nsource: ${word}\n${PATIENT}`, 'run.yaml', settings).source;
  for (const [word, expected] of [
    ['kaggle:kmader/finding-lungs', { kind: 'kaggle', dataset: 'kmader/finding-lungs' }],
    ['kaggle:kmader/finding-lungs@3', { kind: 'kaggle', dataset: 'kmader/finding-lungs', version: 3 }],
    ['s3://scans/lungs/set.zip', { kind: 's3', bucket: 'scans', key: 'lungs/set.zip' }],
    ['s3://scans', { kind: 's3', bucket: 'scans', key: '' }],
    ['https://example.org/a.zip', { kind: 'http', url: 'https://example.org/a.zip' }],
    ['phantom', { kind: 'phantom', patients: 4, seed: 7 }],
    ['../scans', { kind: 'local', path: '../scans' }],
  ] as const) {
    it(`reads ${word}`, () => assert.deepEqual(source(word), expected));
  }

  it('may come from the command line, and be changed by it key by key', () => {
    assert.deepEqual(source('../scans', 'source=phantom'), { kind: 'phantom', patients: 4, seed: 7 });
    assert.deepEqual(source('phantom', 'source.patients=5'), { kind: 'phantom', patients: 5, seed: 7 });
  });

  for (const [word, message] of [
    ['kaggle:finding-lungs', /^source\.dataset: found `finding-lungs` \(text\), expected owner\/slug/],
    ['kaggle:kmader/../users', /^source\.dataset: /],
    ['kaggle:kmader/lungs@new', /^source\.version: found `new`/],
    ['s3://x', /^source\.bucket: found `x` \(text\), expected at least 3 character/],
  ] as const) {
    it(`refuses ${word} by the key that is wrong`, () =>
      assert.throws(
        () => source(word),
        (error: Error) => message.test(error.message),
      ));
  }
});
