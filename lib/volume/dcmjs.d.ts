/** The part of dcmjs 0.51 that is used; it comes without types. */
declare module 'dcmjs' {
  /** A data set by tags of eight hex digits. */
  export type DicomElements = Record<string, { vr: string; Value?: unknown[] }>;

  interface DicomFile {
    dict: DicomElements;
    write(options: { allowInvalidVRLength: boolean }): ArrayBuffer;
  }

  export const data: {
    readonly DicomDict: new (meta: DicomElements) => DicomFile;
    readonly DicomMessage: {
      readFile(bytes: ArrayBuffer, options?: { untilTag?: string; ignoreErrors?: boolean }): DicomFile;
    };
    readonly DicomMetaDictionary: {
      /** From keywords (`PatientName`) to tags. */
      denaturalizeDataset(dataset: object): DicomElements;
      readonly nameMap: Readonly<Record<string, { readonly tag: string; readonly vr: string } | undefined>>;
    };
  };
  interface Log {
    setLevel(level: 'silent'): void;
  }
  export const log: Log & { getLogger(name: 'validation.dcmjs'): Log };
}
