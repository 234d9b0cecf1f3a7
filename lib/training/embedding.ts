/** An embedding that is read when it is wanted: a large set has no room in memory. */
export interface StoredEmbedding {
  /** Float16 bits [C, h, w]. They may be shared: whoever reads them does not change them. */
  read(): Promise<Uint16Array>;
}

/** Float16 bits [C, h, w], or where they are read. */
export type Embedding = Uint16Array | StoredEmbedding;

export const readEmbedding = async (embedding: Embedding): Promise<Uint16Array> =>
  embedding instanceof Uint16Array ? embedding : embedding.read();

/** Bytes of a training's embeddings that stay in memory where nobody says otherwise; those beyond are read from a disk. */
export const EMBEDDINGS_IN_MEMORY = 2 ** 30;
