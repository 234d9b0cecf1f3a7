import { cyclesOf, type Edge, edgesOf, loadedFrom, type SourceTree } from './source-tree.ts';

export interface Layer {
  /** Folders it may load, itself included without being named. `*` is every folder. */
  readonly ours: readonly string[];
  /** Folders of which it may name types only. */
  readonly types?: readonly string[];
  /** May it load parts of Node? */
  readonly node: boolean;
}

export interface Architecture {
  /** By folder or file; a file belongs to the longest that holds it. */
  readonly layers: Readonly<Record<string, Layer>>;
  /** Package → the folders and files that may load it. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
  /** Files that every layer may import, except those in `closed`. */
  readonly floor: readonly string[];
  readonly closed: readonly string[];
}

const isIn = (file: string, place: string): boolean => place === '*' || file === place || file.startsWith(`${place}/`);

export function layerOf(file: string, { layers }: Architecture): string | null {
  const holders = Object.keys(layers).filter((name) => isIn(file, name));
  return holders.sort((a, b) => b.length - a.length)[0] ?? null;
}

function faultOf(edge: Edge, architecture: Architecture): string | null {
  const name = layerOf(edge.from, architecture);
  if (!name) return 'the file belongs to no layer';
  const layer = architecture.layers[name]!;
  const { file, package: packageName, node, missing } = edge.to;
  if (missing) return `${missing} does not exist`;
  if (node) return layer.node || edge.kind === 'type' ? null : `${name} may not load ${node}`;
  if (packageName) {
    const allowed = architecture.packages[packageName];
    if (!allowed) return `${packageName} is not in the table of packages`;
    return allowed.some((place) => isIn(edge.from, place)) ? null : `${packageName} belongs to ${allowed.join(', ')}`;
  }
  const target = layerOf(file!, architecture);
  if (!target) return `${file} belongs to no layer`;
  if (target === name || layer.ours.includes('*') || layer.ours.includes(target)) return null;
  if (architecture.floor.includes(file!) && !architecture.closed.includes(name)) return null;
  if (layer.types?.includes(target)) {
    return edge.kind === 'type' ? null : `${name} may take only types from ${target} (import type)`;
  }
  return `${name} may not import ${target}`;
}

/** Every import that leaves its layer, one sentence each. */
export function brokenLayers(tree: SourceTree, architecture: Architecture): string[] {
  return edgesOf(tree).flatMap((edge) => {
    const fault = faultOf(edge, architecture);
    const to = edge.to.file ?? edge.to.package ?? edge.to.node ?? edge.to.missing;
    return fault ? [`${edge.from} → ${to}: ${fault}`] : [];
  });
}

export const cyclesIn = (tree: SourceTree): string[] => cyclesOf(edgesOf(tree)).map((files) => files.join(' → '));

/** What loading a file brings with it that is not of the given packages: reached directly or through our own files. */
export function reachedBeyond(
  tree: SourceTree,
  entries: readonly string[],
  packages: readonly string[],
  kinds: readonly Edge['kind'][] = ['static', 'dynamic'],
): string[] {
  const edges = edgesOf(tree);
  const found = entries.flatMap((entry) =>
    loadedFrom(entry, edges, kinds).flatMap((edge) => {
      const outside = edge.to.node ?? edge.to.package;
      return outside && !packages.includes(outside) ? [`${entry} reaches ${outside} through ${edge.from}`] : [];
    }),
  );
  return [...new Set(found)];
}
