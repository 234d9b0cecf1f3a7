import { IndexEmbeddingsInput, type IndexEmbeddingsResult } from '../contracts/stages.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

/** Puts a list of shards into the store, so that one reference travels instead of hundreds. The same list is the same artifact. */
export const createIndexEmbeddings = ({ artifacts }: ActivityDeps) =>
  activity(
    IndexEmbeddingsInput,
    async ({ shards }): Promise<IndexEmbeddingsResult> => ({ index: await artifacts.putJson(EMBEDDING_INDEX, shards) }),
  );

/** Kind of an artifact that lists others. */
export const EMBEDDING_INDEX = 'embedding-index';
