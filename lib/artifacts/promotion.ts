import { Candidate, Champion, ModelPackage, type Proposal } from '../../contracts/stages.ts';
import { Fault } from '../fault.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { canonicalJson } from './canonical-json.ts';
import { candidateKey, championKey, sha256Hex } from './keys.ts';
import { PreconditionFailed } from './store.ts';

/** SHA-256 of what is said yes to. The package stands in it by its hash, and holds weights and metrics by theirs. */
export function digestOfProposal({ package: model, run, author, champion, challenger, against }: Unsigned): string {
  return sha256Hex(canonicalJson({ package: model.sha256, run, author, champion, challenger, against }));
}
type Unsigned = Omit<Proposal, 'metrics'>;

/** A candidate that waits for a yes. */
export type Waiting = Candidate & { readonly proposal: Proposal };

/** Who waits under a name. @throws Fault PROMOTION_NONE */
export async function requireProposal(artifacts: ArtifactStore, name: string): Promise<Waiting> {
  const candidate = await artifacts.readPointer(candidateKey(name), Candidate);
  const champion = await artifacts.readPointer(championKey(name), Champion);
  const { seen, proposal } = candidate?.value ?? {};
  if (seen && proposal && champion?.value.promotion?.metrics !== proposal.metrics) return { seen, proposal };
  const found = proposal ? 'a candidate that was promoted already' : 'no candidate';
  const fix =
    'Look at `samflow models`; a schedule made with `--promotion approval` proposes when it has trained a better model';
  throw new Fault('PROMOTION_NONE', { at: name, found, expected: 'a model that waits for a yes', fix });
}

export interface Approval {
  readonly name: string;
  /** Whom the yes is for: who was looked at, whoever has come since. */
  readonly waiting: Waiting;
  /** As clients name themselves: `samflow:account@machine`. */
  readonly by: string;
  readonly now: Date;
  /** Puts a signature into the record, where whoever says yes has a key. */
  readonly sign?: (name: string, champion: Champion) => Champion;
}

/**
 * Makes the candidate of a name its champion, on behalf of somebody who is not its author; by compare-and-swap against the very champion
 * that it was measured against.
 * @throws Fault PROMOTION_OWN, PROMOTION_ALTERED, PROMOTION_OUTDATED
 */
export async function approve(
  artifacts: ArtifactStore,
  { name, waiting: { seen, proposal }, by, now, sign = (_, record) => record }: Approval,
): Promise<Champion> {
  const { metrics, ...unsigned } = proposal;
  const { author, against, package: model, run } = proposal;
  if (accountOf(by) === accountOf(author)) throw own(name, author);
  // What waits must be what was measured: the package's bytes are held against their hash as they are read.
  if (digestOfProposal(unsigned) !== metrics) throw altered(name);
  await artifacts.getJson(model, ModelPackage);
  const present = await artifacts.readPointer(championKey(name), Champion);
  if ((present?.etag ?? null) !== against) throw outdated(name);
  const before = present && (await artifacts.putJson('champion-record', present.value));
  const promotion = { by, at: now.toISOString(), author, metrics, before };
  const champion = sign(name, { package: model, run, seen, promotion });
  try {
    await artifacts.writePointer(championKey(name), champion, against);
    return champion;
  } catch (error) {
    throw error instanceof PreconditionFailed ? outdated(name) : error;
  }
}

/** Of `samflow:ann@desk`: `ann`. The same account on another machine is the same person. */
const accountOf = (identity: string): string => identity.replace(/^samflow:/, '').replace(/@[^@]*$/, '');

const own = (name: string, author: string): Fault =>
  new Fault('PROMOTION_OWN', {
    at: name,
    found: `the account that made its schedule (${author})`,
    expected: 'somebody else',
    fix: 'Ask a second person to run `samflow promote`',
  });

const altered = (name: string): Fault =>
  new Fault('PROMOTION_ALTERED', {
    at: name,
    found: 'a candidate that is not what was measured',
    expected: 'the digest of model and scores',
    fix: 'Find out who may write `models/` in the store; then let the schedule train again',
  });

const outdated = (name: string): Fault =>
  new Fault('PROMOTION_OUTDATED', {
    at: name,
    found: 'another champion than the candidate was measured against',
    expected: 'the same',
    fix: `Let it be measured again: samflow schedule trigger ${name}`,
  });

/** Promotions of a name by people, the newest first, as far as each record names the one before it. */
export async function promotionsOf(artifacts: ArtifactStore, name: string): Promise<Champion[]> {
  const found: Champion[] = [];
  let champion = (await artifacts.readPointer(championKey(name), Champion))?.value;
  while (champion?.promotion) {
    found.push(champion);
    const { before } = champion.promotion;
    champion = before ? await artifacts.getJson<Champion>(before, Champion) : undefined;
  }
  return found;
}

/** Names that have a champion or a candidate, in order. */
export async function modelNames(store: {
  list(prefix: string): AsyncIterable<{ readonly key: string }>;
}): Promise<string[]> {
  const names = new Set<string>();
  for await (const { key } of store.list('models/')) names.add(key.replace(/^models\/|\/[^/]*$/g, ''));
  return [...names].sort();
}
