import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exportedNames, importsOf, reExportedNames } from './helpers/imports.ts';
import { type Architecture, brokenLayers, cyclesIn, reachedBeyond } from './helpers/layers.ts';
import { edgesOf, isSource, loadedFrom, readTextFiles, type SourceTree } from './helpers/source-tree.ts';

/** Who may import whom: docs/architecture.md says why. */
const ARCHITECTURE: Architecture = {
  layers: {
    contracts: { ours: [], node: false },
    'lib/fault.ts': { ours: [], node: false },
    'lib/safetensors.ts': { ours: ['lib/fault.ts'], node: true },
    'lib/artifacts': { ours: ['contracts'], node: true },
    'lib/volume': { ours: [], node: true },
    'lib/metrics': { ours: [], node: false },
    'lib/http': { ours: [], node: true },
    'lib/dataset': { ours: ['lib/volume', 'lib/http'], node: true },
    'lib/pretrained': { ours: ['lib/artifacts', 'lib/http'], node: true },
    'lib/graph': { ours: [], node: false },
    'lib/autodiff': { ours: ['lib/graph'], node: false },
    'lib/onnx': { ours: ['lib/graph'], node: true },
    'lib/runtime': { ours: [], node: true },
    'lib/sam': { ours: ['lib/graph', 'lib/onnx'], node: true },
    'lib/training': {
      ours: ['lib/autodiff', 'lib/onnx', 'lib/sam', 'lib/graph', 'lib/dataset', 'lib/runtime', 'lib/metrics'],
      node: true,
    },
    'lib/plan': {
      ours: ['lib/dataset', 'lib/pretrained', 'lib/sam', 'lib/training', 'lib/runtime'],
      node: true,
    },
    'lib/report': { ours: [], node: true },
    'lib/telemetry': { ours: ['lib/artifacts'], node: true },
    codec: { ours: ['contracts'], node: true },
    workflows: { ours: ['contracts'], types: ['activities'], node: false },
    activities: {
      ours: [
        'contracts',
        'lib/artifacts',
        'lib/volume',
        'lib/metrics',
        'lib/dataset',
        'lib/pretrained',
        'lib/runtime',
        'lib/sam',
        'lib/training',
        'lib/report',
      ],
      node: true,
    },
    workers: {
      ours: [
        'activities',
        'codec',
        'contracts',
        'lib/artifacts',
        'lib/dataset',
        'lib/http',
        'lib/runtime',
        'lib/telemetry',
      ],
      node: true,
    },
    cli: {
      ours: [
        'codec',
        'contracts',
        'lib/artifacts',
        'lib/volume',
        'lib/dataset',
        'lib/pretrained',
        'lib/sam',
        'lib/plan',
        'lib/telemetry',
        'infra',
      ],
      types: ['workflows'],
      node: true,
    },
    infra: { ours: [], node: true },
    models: { ours: ['*'], node: true },
    bench: { ours: ['*'], node: true },
    test: { ours: ['*'], node: true },
  },
  packages: {
    zod: [
      'contracts',
      'lib/sam',
      'lib/pretrained',
      'lib/training/checkpoint.ts',
      'lib/training/proposer-format.ts',
      'activities',
      'workers',
      'cli',
      'test',
    ],
    yaml: ['cli', 'test'],
    'nifti-reader-js': ['lib/volume'],
    'dicom-parser': ['lib/volume', 'test'],
    dcmjs: ['lib/volume'],
    '@itk-wasm/dicom': ['lib/volume', 'test/helpers'],
    'itk-wasm': ['test/helpers'],
    '@thewtex/zstddec': ['lib/volume'],
    yauzl: ['lib/dataset'],
    yazl: ['lib/dataset', 'infra', 'test'],
    'fast-png': ['lib/report', 'test'],
    echarts: ['lib/report'],
    piscina: ['lib/runtime', 'workers'],
    'onnxruntime-node': ['lib/runtime', 'test/lib/runtime'],
    '@aws-sdk/client-s3': [
      'lib/artifacts/s3-store.ts',
      'bench/durable/store.ts',
      'bench/faults/leftovers.ts',
      'test/privacy.service.test.ts',
      'test/helpers/store-with-roles.ts',
    ],
    '@huggingface/hub': ['lib/pretrained/hub.ts'],
    '@temporalio/workflow': [
      'workflows',
      'test/helpers/bounded-workflow.ts',
      'test/helpers/fold-workflows.ts',
      'test/helpers/retrain-workflows.ts',
    ],
    '@temporalio/activity': ['activities', 'test/workflows', 'test/histories'],
    '@temporalio/worker': ['workers', 'bench/faults/histories.ts', 'test'],
    '@temporalio/client': ['cli', 'workers', 'test', 'bench'],
    '@temporalio/common': ['codec', 'workflows', 'activities', 'workers', 'cli', 'bench/faults', 'test'],
    '@temporalio/proto': ['codec', 'test'],
    '@temporalio/envconfig': ['workers', 'cli'],
    '@temporalio/testing': ['test', 'bench'],
    '@temporalio/interceptors-opentelemetry': ['workers', 'cli'],
    '@opentelemetry/api': ['lib/telemetry', 'workers', 'test'],
    '@opentelemetry/context-async-hooks': ['lib/telemetry'],
    '@opentelemetry/exporter-trace-otlp-http': ['lib/telemetry'],
    '@opentelemetry/resources': ['lib/telemetry'],
    '@opentelemetry/sdk-trace-base': ['lib/telemetry', 'test/lib/telemetry'],
    commander: ['cli'],
    'cli-table3': ['cli', 'bench'],
    'log-update': ['cli'],
    picocolors: ['cli', 'bench'],
    pino: ['workers', 'cli'],
    wabt: ['test'],
    tsx: ['lib/runtime', 'cli', 'workers', 'infra', 'test'],
  },
  floor: ['lib/fault.ts', 'lib/safetensors.ts'],
  closed: ['contracts', 'workflows'],
};

/** Needed without an import: the compiler, the formatter, types. */
const TOOLS = ['@biomejs/biome', 'typescript', 'tsx', '@types/node', '@types/yauzl', '@types/yazl'];
/** All that a workflow bundle may hold beside our own files. */
const WORKFLOW_PACKAGES = ['@temporalio/workflow', '@temporalio/common'];

const texts = readTextFiles();
const sources: SourceTree = new Map([...texts].filter(([file]) => isSource(file) || file.endsWith('.json')));
const inFolder = (folder: string): string[] =>
  [...sources.keys()].filter((file) => file.startsWith(`${folder}/`) && isSource(file));

/** Rules about text that no file may hold. Written so that this file does not break them itself. */
const MACHINE_PATHS = [
  /(?<![\w./-])\/work\/(?:main|shared)/,
  /(?<![\w./-])\/tmp\/(?!samflow)[\w-]+/,
  /(?<![\w./-])\/root\//,
  /(?<![\w./-])\/home\/(?!node\b)[a-z]\w*\//,
  /(?<![\w./-])\/Users\/\w+/,
  /\b[A-Z]:\\Users\\/,
];
const namesMachinePath = (text: string): boolean => MACHINE_PATHS.some((pattern) => pattern.test(text));
const strangeAddresses = (lock: string): string[] =>
  [...lock.matchAll(/"resolved": "([^"]*)"/g)]
    .map((match) => match[1]!)
    .filter((address) => !address.startsWith('https://registry.npmjs.org/'));

interface Lock {
  packages: Record<string, { optionalDependencies?: Record<string, string> }>;
}

/** Optional packages (binaries of other platforms) that a lockfile leaves out: `npm ci` refuses such a lockfile. */
function leftOut({ packages }: Lock): string[] {
  return Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) => {
    // As Node looks for it: inside the package, then beside it, and so on up to the root.
    const folders = place.split(/(?=\/node_modules\/)/).map((_, i, parts) => parts.slice(0, i + 1).join(''));
    return Object.keys(optionalDependencies).filter((name) =>
      ['', ...folders].every((folder) => !(`${folder ? `${folder}/` : ''}node_modules/${name}` in packages)),
    );
  });
}

/** Workflow functions that exist but that the bundle's entry does not name, and the reverse. */
function unlistedWorkflows(tree: SourceTree): string[] {
  const index = tree.get('workflows/index.ts') ?? '';
  const listed = new Set([...reExportedNames(index), ...exportedNames(index)]);
  const written = [...tree]
    .filter(([file]) => file.startsWith('workflows/') && file !== 'workflows/index.ts')
    .flatMap(([, source]) => exportedNames(source).filter((name) => name.endsWith('Workflow')));
  const workflows = [...listed].filter((name) => name.endsWith('Workflow'));
  return [
    ...written.filter((name) => !listed.has(name)).map((name) => `${name} is not in workflows/index.ts`),
    ...workflows.filter((name) => !written.includes(name)).map((name) => `${name} is listed but not written`),
  ];
}

describe('the repository', () => {
  it('imports along the layers only', () => assert.deepEqual(brokenLayers(sources, ARCHITECTURE), []));

  it('has no cycle of files that load each other', () => assert.deepEqual(cyclesIn(sources), []));

  it('keeps zod, Node, S3 and the library out of the workflow bundle, however far the imports go', () =>
    assert.deepEqual(reachedBeyond(sources, inFolder('workflows'), WORKFLOW_PACKAGES), []));

  it('starts before anything is installed: the bootstrap and the test runner load parts of Node only', () => {
    const plain = [...sources.keys()].filter((file) => /^(infra|test)\/.*\.mjs$/.test(file));
    const outside = reachedBeyond(sources, plain, [], ['static']).filter((line) => !/ reaches node:\S+ /.test(line));
    assert.deepEqual(outside, []);
  });

  it('loads nothing of OpenTelemetry before somebody wants traces', () => {
    const edges = edgesOf(sources);
    const loaded = ['workers/main.ts', 'cli/main.ts', 'cli/dev/platform.ts'].flatMap((entry) =>
      loadedFrom(entry, edges, ['static']).flatMap((edge) => edge.to.package ?? []),
    );
    assert.ok(loaded.includes('@temporalio/worker') && loaded.includes('@temporalio/client'));
    assert.deepEqual(
      loaded.filter((name) => /opentelemetry/.test(name)),
      [],
    );
  });

  it('exports every workflow by name from workflows/index.ts', () => {
    assert.deepEqual(unlistedWorkflows(sources), []);
    assert.doesNotMatch(sources.get('workflows/index.ts') ?? '', /export \*/);
  });

  it('depends on what it imports and on nothing else', () => {
    const { dependencies, devDependencies } = JSON.parse(texts.get('package.json')!);
    const used = new Set(edgesOf(sources).flatMap((edge) => edge.to.package ?? []));
    const declared = Object.keys({ ...dependencies, ...devDependencies });
    assert.deepEqual(
      [...used].filter((name) => !declared.includes(name)),
      [],
      'imported, but not in package.json',
    );
    assert.deepEqual(
      declared.filter((name) => !used.has(name) && !TOOLS.includes(name)),
      [],
      'in package.json, but not imported',
    );
    const runTime = [...sources.keys()].filter((file) => !/^(test|bench)\//.test(file));
    const shipped = new Set(
      edgesOf(sources).flatMap((edge) =>
        edge.kind !== 'type' && runTime.includes(edge.from) ? (edge.to.package ?? []) : [],
      ),
    );
    assert.deepEqual(
      [...shipped].filter((name) => name in devDependencies),
      [],
      'needed at run time, but a devDependency',
    );
  });

  it('names its files in kebab-case', () => {
    const odd = [...sources.keys()].filter((file) => isSource(file) && !/^[a-z0-9./-]+$/.test(file));
    assert.deepEqual(odd, []);
  });

  it('names no path of the machine it was written on', () => {
    const bound = [...texts].filter(([, text]) => namesMachinePath(text)).map(([file]) => file);
    assert.deepEqual(bound, []);
  });

  it('has a lockfile that any machine can install from', () => {
    const lock = texts.get('package-lock.json')!;
    assert.deepEqual(strangeAddresses(lock), []);
    assert.deepEqual(leftOut(JSON.parse(lock)), []);
  });
});

describe('the checks themselves', () => {
  const broken = (files: Record<string, string>): string[] =>
    brokenLayers(new Map(Object.entries(files)), ARCHITECTURE);

  const CASES: [claim: string, files: Record<string, string>, expected: RegExp][] = [
    [
      'a library folder that reaches sideways',
      { 'lib/volume/a.ts': "import { x } from '../graph/b.ts';", 'lib/graph/b.ts': '' },
      /lib\/volume may not import lib\/graph/,
    ],
    [
      'a type import across a border',
      { 'lib/graph/a.ts': "import type { X } from '../sam/b.ts';", 'lib/sam/b.ts': '' },
      /lib\/graph may not import lib\/sam/,
    ],
    [
      'a re-export across a border',
      { 'cli/a.ts': "export { run } from '../activities/b.ts';", 'activities/b.ts': '' },
      /cli may not import activities/,
    ],
    [
      'a dynamic import across a border',
      { 'cli/a.ts': "const b = await import('../activities/b.ts');", 'activities/b.ts': '' },
      /cli may not import activities/,
    ],
    [
      'activities loaded by a workflow',
      { 'workflows/a.ts': "import { x } from '../activities/b.ts';", 'activities/b.ts': '' },
      /may take only types from activities/,
    ],
    [
      'the library in a workflow',
      { 'workflows/a.ts': "import { x } from '../lib/fault.ts';", 'lib/fault.ts': '' },
      /workflows may not import lib\/fault\.ts/,
    ],
    ['Node in a workflow', { 'workflows/a.ts': "import 'node:fs';" }, /workflows may not load node:fs/],
    ['Temporal in the library', { 'lib/training/a.ts': "import '@temporalio/activity';" }, /belongs to activities/],
    [
      'the runtime outside lib/runtime',
      { 'lib/training/a.ts': "import * as ort from 'onnxruntime-node';" },
      /onnxruntime-node belongs to lib\/runtime/,
    ],
    [
      'the AWS client in a second file of lib/artifacts',
      { 'lib/artifacts/a.ts': "import { S3Client } from '@aws-sdk/client-s3';" },
      /belongs to lib\/artifacts\/s3-store\.ts/,
    ],
    ['a package nobody placed', { 'cli/a.ts': "import x from 'left-pad';" }, /left-pad is not in the table/],
    ['a file outside every layer', { 'lib/a.ts': "import 'node:fs';" }, /belongs to no layer/],
    ['a file that is not there', { 'cli/a.ts': "import './b.ts';" }, /\.\/b\.ts does not exist/],
    ['contracts that import our own', { 'contracts/a.ts': "import '../lib/fault.ts';", 'lib/fault.ts': '' }, /may not/],
  ];
  for (const [claim, files, expected] of CASES) {
    it(`find ${claim}`, () => {
      const lines = broken(files);
      assert.equal(lines.length, 1, `found: ${lines.join('; ')}`);
      assert.match(lines[0]!, expected);
    });
  }

  it('allow what the table allows', () => {
    const files = {
      'lib/fault.ts': '',
      'lib/volume/a.ts': "import { Fault } from '../fault.ts';\nimport { gunzipSync } from 'node:zlib';",
      'activities/a.ts': "import '../lib/volume/a.ts';",
      'workflows/a.ts': "import type { Activities } from '../activities/a.ts';",
    };
    assert.deepEqual(broken(files), []);
  });

  it('find a cycle by value and leave one of types alone', () => {
    const byValue = new Map([
      ['lib/graph/a.ts', "import { b } from './b.ts';"],
      ['lib/graph/b.ts', "export * from './c.ts';"],
      ['lib/graph/c.ts', "import './a.ts';"],
    ]);
    assert.deepEqual(cyclesIn(byValue), ['lib/graph/a.ts → lib/graph/b.ts → lib/graph/c.ts']);
    assert.deepEqual(cyclesIn(new Map([...byValue, ['lib/graph/c.ts', "import type { A } from './a.ts';"]])), []);
    assert.deepEqual(cyclesIn(new Map([['lib/graph/a.ts', "import './a.ts';"]])), ['lib/graph/a.ts']);
  });

  it('find zod in a workflow bundle when it comes in by way of a contract', () => {
    const tree = new Map([
      ['workflows/a.ts', "import { QUEUES } from '../contracts/queues.ts';"],
      ['contracts/queues.ts', "import { z } from 'zod';"],
    ]);
    assert.deepEqual(reachedBeyond(tree, ['workflows/a.ts'], WORKFLOW_PACKAGES), [
      'workflows/a.ts reaches zod through contracts/queues.ts',
    ]);
  });

  it('find a workflow that the index forgot, and one that it invented', () => {
    const tree = new Map([
      ['workflows/a.ts', 'export async function aWorkflow() {}\nexport const helper = 1;'],
      ['workflows/index.ts', "export { bWorkflow } from './b.ts';"],
    ]);
    assert.deepEqual(unlistedWorkflows(tree), [
      'aWorkflow is not in workflows/index.ts',
      'bWorkflow is listed but not written',
    ]);
  });

  it('find a machine path and a private registry', () => {
    const home = ['', 'home', 'somebody', 'code'].join('/');
    assert.ok(namesMachinePath(`see ${home}`));
    assert.ok(namesMachinePath(['', 'tmp', 'gobin'].join('/')));
    assert.ok(!namesMachinePath('.samflow/work/main.ts and src/tmp/x'));
    assert.deepEqual(strangeAddresses('"resolved": "http://10.0.0.1/zod.tgz"'), ['http://10.0.0.1/zod.tgz']);
    assert.deepEqual(strangeAddresses('"resolved": "https://registry.npmjs.org/zod/-/zod-4.6.7.tgz"'), []);
  });

  it('find a platform that a lockfile left out', () => {
    const packages = {
      'node_modules/a': { optionalDependencies: { 'a-linux': '1', 'a-win': '1' } },
      'node_modules/b/node_modules/a': { optionalDependencies: { 'a-linux': '2' } },
      'node_modules/a-linux': {},
    };
    assert.deepEqual(leftOut({ packages }), ['a-win']);
  });

  it('read imports past comments, strings, templates and regular expressions', () => {
    const source = [
      "// import 'no1';",
      "/* import 'no2'; */",
      'const text = "import \'no3\'";',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source under test
      "const nested = `${`import 'no4' ${1}`} import 'no5' ${{ a: '}' }.a}`;",
      "const pattern = /[/'\"`]import 'no6'/.test(x) ? a / b : c / d;",
      "import type { A } from 'a';",
      "import b, { type B, c as from } from 'b';",
      "import * as d from 'd';",
      "import 'e';",
      "export type { F } from 'f';",
      "export * as g from 'g';",
      "export {\n  h,\n  i as j,\n} from 'h';",
      "const k = await import('k');",
      "let l: typeof import('l');",
      'export { text, pattern };',
      "export const from = 'no7';",
      'import.meta.url;',
      "object.import('no8');",
    ].join('\n');
    assert.deepEqual(
      importsOf(source).map(({ kind, specifier }) => `${kind} ${specifier}`),
      ['type a', 'static b', 'static d', 'static e', 'type f', 'static g', 'static h', 'dynamic k', 'type l'],
    );
  });
});
