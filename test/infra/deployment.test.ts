import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { POOLS } from '../../contracts/queues.ts';
import { TEMPORAL_SETTINGS } from '../../infra/dev/servers.ts';
import {
  edgesOf,
  isSource,
  listRepository,
  loadedFrom,
  REPOSITORY,
  readRepositoryFile,
  readTextFiles,
} from '../helpers/source-tree.ts';

/** Parsed YAML. The tests below say which shape they expect; a wrong one ends in a failed test all the same. */
// biome-ignore lint/suspicious/noExplicitAny: parsed YAML of three formats, whose schemas are not worth a copy here
type Yaml = any;

const VERSION: string = JSON.parse(readRepositoryFile('package.json')).version;
const DOCKERFILE = readRepositoryFile('infra/images/Dockerfile').replace(/\\\n/g, ' ');
/** Names that our processes read: our own, the hub's, Kaggle's, those of Temporal's environment configuration, and Node's TMPDIR. */
const ENVIRONMENT = new Set(
  [...readRepositoryFile('contracts/environment.ts').matchAll(/\b((?:SAMFLOW|HF|KAGGLE)_[A-Z0-9_]+):/g)].map(
    (match) => match[1]!,
  ),
);
const isRead = (name: string): boolean =>
  ENVIRONMENT.has(name) || name === 'TMPDIR' || /^TEMPORAL_(ADDRESS|NAMESPACE|API_KEY|TLS)/.test(name);
const isPinned = (image: string): boolean => /:[\w.-]*\d[\w.-]*$/.test(image) && !image.endsWith(':latest');

describe('the images', () => {
  const instructions = DOCKERFILE.split('\n').flatMap((line) => {
    const match = /^(FROM|COPY|USER|ENTRYPOINT|CMD|ARG) (.*)$/.exec(line);
    return match ? [{ name: match[1]!, words: match[2]!.split(/\s+/) }] : [];
  });
  const stages = DOCKERFILE.split(/^(?=FROM )/m)
    .slice(1)
    .map((text) => ({ name: /^FROM \S+ AS (\S+)/.exec(text)?.[1] ?? '', text }));
  const copied = instructions
    .filter(({ name, words }) => name === 'COPY' && !words[0]!.startsWith('--from'))
    .flatMap(({ words }) => words.slice(0, -1));

  it('start from images whose version is named', () => {
    const defaults = new Map(
      instructions.filter(({ name }) => name === 'ARG').map(({ words }) => words[0]!.split('=') as [string, string]),
    );
    for (const { words } of instructions.filter(({ name }) => name === 'FROM')) {
      const image = words[0]!.replace(/^\$\{(\w+)\}$/, (_, name: string) => defaults.get(name) ?? '');
      const ours = stages.some(({ name }) => name === image) || image === 'scratch';
      assert.ok(ours || isPinned(image), image);
    }
    assert.match(defaults.get('NODE_IMAGE')!, /slim/);
    assert.doesNotMatch(DOCKERFILE, /alpine:/);
  });

  it('copy what is there, and what the builder is allowed to see', () => {
    const allowed = readRepositoryFile('infra/images/Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    for (const source of copied) {
      assert.ok(existsSync(path.join(REPOSITORY, source)), `${source} does not exist`);
      assert.ok(allowed.includes(source), `${source} is kept from the builder by Dockerfile.dockerignore`);
    }
    for (const { words } of instructions.filter(({ name }) => name === 'COPY')) {
      const from = /^--from=(.*)$/.exec(words[0]!)?.[1];
      assert.ok(!from || stages.some(({ name }) => name === from), `no stage ${from}`);
    }
  });

  it('hold every file that a worker loads', () => {
    const sources = new Map([...readTextFiles()].filter(([file]) => isSource(file) || file.endsWith('.json')));
    const edges = edgesOf(sources);
    const entries = [...sources.keys()].filter((file) => /^(cli|workers|workflows|activities)\//.test(file));
    const loaded = new Set(
      entries.flatMap((entry) => loadedFrom(entry, edges, ['static', 'dynamic']).flatMap((edge) => edge.to.file ?? [])),
    );
    const missing = [...loaded, ...entries].filter(
      (file) => !copied.some((source) => file === source || file.startsWith(`${source}/`)),
    );
    assert.deepEqual(missing, []);
  });

  for (const target of ['worker', 'worker-gpu']) {
    it(`run ${target} as a numbered user who is not root, under an init process`, () => {
      const { text } = stages.find(({ name }) => name === target)!;
      assert.match(text, /^USER [1-9]\d*:[1-9]\d*$/m);
      const entry = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(text)![1]!);
      assert.deepEqual(entry, ['tini', '--', 'node', 'cli/samflow.mjs', 'worker']);
      assert.ok(listRepository().includes('cli/samflow.mjs'));
      assert.match(text, /ca-certificates/);
    });
  }
});

describe('the compose file', () => {
  const text = readRepositoryFile('infra/compose/docker-compose.yml');
  const compose: Yaml = parse(text, { merge: true });
  const services: Record<string, Yaml> = compose.services;
  const example = readRepositoryFile('infra/compose/.env.example');
  const variables = new Map(
    [...example.matchAll(/^([A-Z0-9_]+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!] as const),
  );

  it('has one service for each pool', () => {
    for (const pool of POOLS) assert.deepEqual(services[pool].command, ['--pool', pool]);
  });

  it('pins every image, ours to the version of package.json', () => {
    for (const [name, { image }] of Object.entries(services)) {
      assert.ok(isPinned(image), `${name}: ${image}`);
      if (image.startsWith('samflow-')) assert.ok(image.endsWith(`:${VERSION}`), image);
    }
  });

  it('publishes ports on the loopback address only', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    assert.ok(ports.length >= 3);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
  });

  it('holds no secret: each comes from .env, which has no default for it', () => {
    for (const [service, { environment }] of Object.entries(services)) {
      for (const [name, value] of Object.entries(environment ?? {})) {
        if (!/PASSWORD|PWD|SECRET|_KEY/.test(name)) continue;
        // Accounts of sources may be left out.
        const isOptional = /^(KAGGLE|SAMFLOW_SOURCE_S3)_/.test(name);
        const comes = isOptional ? /^\$\{\w+:-\}$/ : /^\$\{\w+:\?set it in \.env\}$/;
        assert.match(String(value), comes, `${service}: ${name}`);
      }
    }
    for (const [name, value] of variables) {
      if (/PASSWORD|SECRET|_KEY/.test(name)) assert.equal(value, '', name);
    }
  });

  it('reads the variables that .env.example explains, and no other', () => {
    const used = new Set([...text.matchAll(/\$\{([A-Z0-9_]+)/g)].map((match) => match[1]!));
    assert.deepEqual([...used].sort(), [...variables.keys()].sort());
  });

  it('sets only variables that a worker reads', () => {
    const gpu: Yaml = parse(readRepositoryFile('infra/compose/docker-compose.gpu.yml'));
    for (const pool of POOLS) {
      const names = Object.keys({ ...services[pool].environment, ...gpu.services[pool]?.environment });
      assert.deepEqual(
        names.filter((name) => !isRead(name)),
        [],
        pool,
      );
    }
  });

  it('gives the key of the pseudonyms, the token of the hub and the accounts of sources to the io pool, and to no other', () => {
    const accounts = ['HF_TOKEN', 'KAGGLE_USERNAME', 'KAGGLE_KEY', 'SAMFLOW_SOURCE_S3_SECRET_ACCESS_KEY'];
    for (const name of ['SAMFLOW_PATIENT_KEY', ...accounts]) {
      assert.deepEqual(
        POOLS.filter((pool) => name in services[pool].environment),
        ['io'],
      );
    }
    for (const name of accounts) assert.equal(variables.get(name), '');
  });

  it('shuts the pools in: not root, nothing to write to but /tmp, no capability', () => {
    for (const pool of POOLS) {
      const { user, read_only, cap_drop, security_opt, tmpfs, stop_grace_period } = services[pool];
      assert.match(user, /^[1-9]\d*:[1-9]\d*$/);
      assert.equal(read_only, true);
      assert.deepEqual(cap_drop, ['ALL']);
      assert.deepEqual(security_opt, ['no-new-privileges:true']);
      assert.match(tmpfs[0], /^\/tmp:/);
      assert.ok(Number.parseInt(stop_grace_period, 10) >= 60);
    }
  });

  it('keeps the weights of gpu sessions on the disk, in a volume that the worker may write to, and not in memory', () => {
    const folder: string = services.gpu.environment.TMPDIR;
    assert.ok(!services.gpu.tmpfs.some((mount: string) => folder.startsWith(mount.split(':')[0]!)), folder);
    const volume: string = services.gpu.volumes.find((mount: string) => mount.endsWith(`:${folder}`));
    assert.ok(volume.split(':')[0]! in compose.volumes);
    assert.ok(
      services['volumes-owner'].volumes.includes(volume) && services['volumes-owner'].entrypoint.includes(folder),
    );
  });

  it('watches the health of every server and pool, and starts them in an order that exists', () => {
    for (const name of ['postgresql', 'temporal', 's3', ...POOLS]) assert.ok(services[name].healthcheck?.test, name);
    for (const [name, service] of Object.entries(services)) {
      for (const [needed, { condition }] of Object.entries<Yaml>(service.depends_on ?? {})) {
        assert.ok(services[needed], `${name} needs ${needed}`);
        assert.equal(condition === 'service_healthy', Boolean(services[needed].healthcheck), `${name} → ${needed}`);
      }
    }
  });

  it('mounts and builds from what is there', () => {
    for (const [name, service] of Object.entries(services)) {
      for (const network of service.networks ?? []) assert.ok(network in compose.networks, `${name}: ${network}`);
      for (const volume of service.volumes ?? []) {
        const [source] = volume.replace(/\$\{SAMFLOW_DATA[^}]*\}/g, './').split(':');
        if (!source.startsWith('.')) assert.ok(source in compose.volumes, `${name}: ${source}`);
        else if (/\.\w+$/.test(source)) assert.ok(existsSync(path.join(REPOSITORY, 'infra/compose', source)), source);
      }
      const { dockerfile, target } = service.build ?? {};
      if (dockerfile) assert.ok(existsSync(path.join(REPOSITORY, dockerfile)));
      if (target) assert.match(DOCKERFILE, new RegExp(` AS ${target}$`, 'm'));
    }
  });

  it('gives the gpu pool a device and the CUDA image when the GPU file is added', () => {
    const { gpu }: Yaml = parse(readRepositoryFile('infra/compose/docker-compose.gpu.yml')).services;
    assert.deepEqual(gpu.deploy.resources.reservations.devices, [
      { driver: 'nvidia', count: 1, capabilities: ['gpu'] },
    ]);
    assert.equal(gpu.image, `samflow-worker-gpu:${VERSION}`);
    assert.match(DOCKERFILE, new RegExp(` AS ${gpu.build.target}$`, 'm'));
  });

  it('has every pool tell its metrics where Prometheus asks, when the file of the observers is added', () => {
    const observe: Yaml = parse(readRepositoryFile('infra/compose/docker-compose.observe.yml'));
    const [job]: Yaml[] = parse(readRepositoryFile('infra/observability/prometheus.yml')).scrape_configs;
    const [{ names, port }] = job.dns_sd_configs;
    assert.deepEqual(names, [...POOLS]);
    for (const pool of POOLS) {
      const { SAMFLOW_METRICS: address, ...others } = observe.services[pool].environment;
      assert.equal(address, `0.0.0.0:${port}`);
      assert.deepEqual(others, {});
    }
    for (const name of ['prometheus', 'grafana']) {
      const { image, ports, networks, volumes } = observe.services[name];
      assert.ok(isPinned(image), image);
      for (const published of ports) assert.match(published, /^127\.0\.0\.1:/);
      for (const network of networks) assert.ok(network in compose.networks);
      for (const volume of volumes) {
        const [source] = volume.split(':');
        const isThere = existsSync(path.join(REPOSITORY, 'infra/compose', source)) || source in observe.volumes;
        assert.ok(isThere, `${name}: ${source}`);
      }
    }
  });

  it('gives the Temporal server the settings of the embedded one', () => {
    const settings: Yaml = parse(readRepositoryFile('infra/compose/dynamic-config.yaml'));
    const values = Object.entries<Yaml>(settings).map(([name, [{ value }]]) => [name, value]);
    assert.deepEqual(Object.fromEntries(values), TEMPORAL_SETTINGS);
  });

  it('runs shell scripts that parse', () => {
    for (const file of ['setup-schema.sh', 'create-namespace.sh']) {
      const { status, stderr } = spawnSync('sh', ['-n', `infra/compose/${file}`], {
        cwd: REPOSITORY,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
    }
  });
});

describe('the Kubernetes manifests', () => {
  const folder = 'infra/kubernetes';
  const kustomization: Yaml = parse(readRepositoryFile(`${folder}/kustomization.yaml`));
  const objects: Yaml[] = kustomization.resources.flatMap((file: string) =>
    parseAllDocuments(readRepositoryFile(`${folder}/${file}`)).map((document) => document.toJS()),
  );
  const secrets: Yaml[] = parseAllDocuments(readRepositoryFile(`${folder}/secret.example.yaml`)).map((one) =>
    one.toJS(),
  );
  const secretKeys = (name: string): string[] =>
    Object.keys(secrets.find((secret) => secret.metadata.name === name).stringData);
  const find = (kind: string, name: string): Yaml =>
    objects.find((object) => object.kind === kind && object.metadata.name === name);

  it('are all listed, beside the example of a secret', () => {
    const files = listRepository(folder).map((file) => path.posix.basename(file));
    const manifests = files.filter(
      (file) => /\.yaml$/.test(file) && !['kustomization.yaml', 'secret.yaml'].includes(file),
    );
    assert.deepEqual(manifests.sort(), [...kustomization.resources, 'secret.example.yaml'].sort());
  });

  it('name the version of our images once', () => {
    for (const image of kustomization.images) assert.equal(image.newTag, VERSION);
    const known = kustomization.images.map((image: Yaml) => image.name);
    for (const { kind, spec } of objects) {
      if (kind === 'Deployment') assert.ok(known.includes(spec.template.spec.containers[0].image));
    }
  });

  for (const pool of POOLS) {
    it(`run the ${pool} pool shut in, watched and with time to stop`, () => {
      const { spec }: Yaml = find('Deployment', `samflow-${pool}`);
      const pod = spec.template.spec;
      const [container] = pod.containers;
      assert.deepEqual(container.args, ['--pool', pool]);
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
      assert.equal(pod.securityContext.runAsNonRoot, true);
      assert.ok(pod.securityContext.runAsUser > 0);
      assert.equal(pod.securityContext.seccompProfile.type, 'RuntimeDefault');
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      assert.ok(pod.terminationGracePeriodSeconds >= 60);
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) assert.ok(container[probe].exec, probe);
      assert.ok(container.resources.limits.memory);
      assert.ok(find('ServiceAccount', pod.serviceAccountName));
      assert.deepEqual(
        container.envFrom.map((source: Yaml) => source.configMapRef?.name ?? source.secretRef?.name),
        ['samflow', 'samflow', `samflow-store-${pool}`],
      );
      assert.equal(pod.serviceAccountName, `samflow-${pool}`);
      const names = container.env.map((entry: Yaml) => entry.name);
      assert.deepEqual(
        [...names, ...Object.keys(find('ConfigMap', 'samflow').data), ...secretKeys('samflow')].filter(
          (name) => !isRead(name),
        ),
        [],
      );
    });
  }

  it('give each pool an account of its own at the store, which has a policy of its name', () => {
    for (const pool of POOLS) {
      const keys = ['SAMFLOW_S3_ACCESS_KEY_ID', 'SAMFLOW_S3_SECRET_ACCESS_KEY'];
      assert.deepEqual(secretKeys(`samflow-store-${pool}`), keys);
      const others = secrets.filter(({ metadata }) => metadata.name !== `samflow-store-${pool}`);
      const { envFrom, env } = find('Deployment', `samflow-${pool}`).spec.template.spec.containers[0];
      for (const { metadata } of others.filter(({ stringData }) => keys[0]! in stringData)) {
        assert.ok(!JSON.stringify([envFrom, env]).includes(metadata.name), `${pool} gets ${metadata.name}`);
      }
      assert.ok(existsSync(path.join(REPOSITORY, `infra/iam/${pool}.json`)));
    }
  });

  for (const [secret, keys] of [
    ['samflow-patient-key', ['SAMFLOW_PATIENT_KEY']],
    ['samflow-hub', ['HF_TOKEN']],
    [
      'samflow-sources',
      [
        ...['KAGGLE_USERNAME', 'KAGGLE_KEY'],
        ...['ENDPOINT', 'ACCESS_KEY_ID', 'SECRET_ACCESS_KEY'].map((name) => `SAMFLOW_SOURCE_S3_${name}`),
      ],
    ],
  ] as const) {
    it(`give ${keys.join(', ')} to the io pool, and to no other`, () => {
      const holders = POOLS.filter((pool) => {
        const { env } = find('Deployment', `samflow-${pool}`).spec.template.spec.containers[0];
        return env.some((entry: Yaml) => entry.valueFrom?.secretKeyRef.name === secret);
      });
      assert.deepEqual(holders, ['io']);
      assert.deepEqual(secretKeys(secret), keys);
      for (const key of keys) assert.ok(!secretKeys('samflow').includes(key));
    });
  }

  it('give one GPU to a gpu worker, and to no other', () => {
    const limit = (pool: string): unknown =>
      find('Deployment', `samflow-${pool}`).spec.template.spec.containers[0].resources.limits['nvidia.com/gpu'];
    assert.deepEqual(POOLS.map(limit), [undefined, undefined, '1']);
    assert.equal(find('Deployment', 'samflow-gpu').spec.strategy.type, 'Recreate');
  });

  it('give a gpu worker a disk for the weights of its sessions: 5 GB are two of the largest model', () => {
    const { containers, volumes } = find('Deployment', 'samflow-gpu').spec.template.spec;
    const [{ env, volumeMounts }] = containers;
    const folder = env.find((entry: Yaml) => entry.name === 'TMPDIR').value;
    const { name } = volumeMounts.find((mount: Yaml) => mount.mountPath === folder);
    const { emptyDir } = volumes.find((volume: Yaml) => volume.name === name);
    assert.equal(emptyDir.medium, undefined);
    assert.ok(/^\d+Gi$/.test(emptyDir.sizeLimit) && Number.parseInt(emptyDir.sizeLimit, 10) >= 8, emptyDir.sizeLimit);
  });

  it('let a cpu worker hold one volume at a time: its memory is that of one, whatever cores the node has', () => {
    const [{ env, resources }] = find('Deployment', 'samflow-cpu').spec.template.spec.containers;
    const value = (name: string): string => env.find((entry: Yaml) => entry.name === name)?.value;
    assert.deepEqual([value('SAMFLOW_CPU_SLOTS'), resources.limits.memory], ['1', '2Gi']);
  });

  it('let nobody call a worker, and let workers call only what they need', () => {
    const { spec }: Yaml = find('NetworkPolicy', 'workers');
    assert.deepEqual(spec.ingress, []);
    assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress']);
    for (const pool of POOLS) {
      const { labels } = find('Deployment', `samflow-${pool}`).spec.template.metadata;
      for (const [label, value] of Object.entries(spec.podSelector.matchLabels)) assert.equal(labels[label], value);
    }
    const open = objects.filter(
      ({ kind, spec }) => kind === 'NetworkPolicy' && JSON.stringify(spec).includes('0.0.0.0/0'),
    );
    assert.deepEqual(
      open.map((policy) => policy.spec.podSelector.matchLabels['app.kubernetes.io/component']),
      ['io'],
    );
    assert.ok(open[0]!.spec.egress[0].to[0].ipBlock.except.includes('169.254.0.0/16'));
  });

  it('hold no secret', () => {
    assert.deepEqual([...new Set(secrets.flatMap((secret) => Object.values(secret.stringData)))], ['']);
    assert.ok(!objects.some(({ kind }) => kind === 'Secret'));
    assert.match(readRepositoryFile(`${folder}/.gitignore`), /^secret\.yaml$/m);
  });
});
