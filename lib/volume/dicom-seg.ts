import { createHash } from 'node:crypto';
import { type DicomElements, data as dcmjs } from 'dcmjs';
import { Fault } from '../fault.ts';
import { type Affine, axisStepMm, largestDisplacementMm, type Shape3 } from './affine.ts';
import { framesOf, packFrames, type SegFrame } from './dicom-seg-frames.ts';
import { decimalString, type SegSource, tagOf } from './dicom-seg-source.ts';
import { uidOf } from './dicom-uid.ts';
import type { Structure } from './label-table.ts';
import { longString, type Term, termsOf } from './segment-terms.ts';

export interface SegToWrite {
  readonly source: SegSource;
  /** The label map on the source's own grid [columns, rows, slices], as unsigned bytes. */
  readonly mask: {
    readonly voxels: ArrayLike<number>;
    readonly shape: readonly number[];
    readonly voxelToWorld: Affine;
  };
  readonly structures: readonly Structure[];
  /** What found the structures, e.g. the id of the run whose model it was. */
  readonly algorithm: string;
  readonly softwareVersion: string;
}

const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
const SEGMENTATION_STORAGE = '1.2.840.10008.5.1.4.1.1.66.4';
/** Affines that went through float32 differ by less. */
const SAME_PLACE_MM = 0.01;

type Value = string | number | ArrayBuffer | Item | readonly (string | number | Item)[];
/** A data set by keyword (PS3.6), as dcmjs takes it. */
interface Item {
  readonly [keyword: string]: Value;
}

/**
 * A label map as a DICOM Segmentation (PS3.3 A.51), binary, explicit little-endian: a segment for each structure, a frame for
 * each slice in which it lies, at the position and orientation that the source's own slice has, and with reference to it.
 *
 * The same source, mask and names give the same bytes: UIDs are hashes, dates are the source's. Patient and study are copied
 * from the source, so the file names a person wherever the source does.
 *
 * Fault SEG_GRID where the mask is not of this series.
 */
export function writeDicomSeg(seg: SegToWrite): Uint8Array {
  checkGrid(seg);
  const { source, structures } = seg;
  const labels = seg.mask.voxels;
  if (!(labels instanceof Uint8Array)) throw new TypeError('a label map is made of unsigned bytes');
  const frames = framesOf(labels, source.shape, structures);
  const digest = createHash('sha256').update(labels).digest('hex');
  const identity = [source.uids.series, ...source.slices.map(({ sopInstanceUid }) => sopInstanceUid), digest];
  const uid = (what: string): string => uidOf(what, ...identity, seg.algorithm, JSON.stringify(structures));
  const instance = uid('segmentation');
  const pixels = packFrames(labels, source.shape, structures, frames);
  const file = new dcmjs.DicomDict(fileMeta(instance));
  file.dict = {
    ...source.copied,
    ...elements({
      ...required(source),
      ...general(seg, instance, uid('series')),
      ...segments(seg),
      ...references(source),
      ...functionalGroups(source, frames, uid('dimensions')),
      ...image(source.shape, frames.length),
      PixelData: pixels.buffer as ArrayBuffer,
      _vrMap: { PixelData: 'OB' },
    }),
  };
  // What the source says of the patient is copied as it stands, also where it is longer than the standard allows.
  return new Uint8Array(file.write({ allowInvalidVRLength: true }));
}

const elements = (item: Item): DicomElements => dcmjs.DicomMetaDictionary.denaturalizeDataset(item);

function checkGrid({ source, mask }: SegToWrite): void {
  const sameShape = source.shape.every((size, axis) => size === mask.shape[axis]) && mask.shape.length === 3;
  const offMm = sameShape ? largestDisplacementMm(source.voxelToWorld, mask.voxelToWorld, source.shape) : null;
  if (offMm !== null && offMm <= SAME_PLACE_MM) return;
  throw new Fault('SEG_GRID', {
    at: 'the mask',
    found: offMm === null ? `${mask.shape.join(' x ')} voxels` : `voxels ${offMm.toPrecision(3)} mm from the series`,
    expected: `the grid of the series, ${source.shape.join(' x ')}`,
    fix: 'Leave the folder as it is while its mask is made, and start again',
  });
}

function fileMeta(instance: string): DicomElements {
  return elements({
    FileMetaInformationVersion: Uint8Array.of(0, 1).buffer,
    MediaStorageSOPClassUID: SEGMENTATION_STORAGE,
    MediaStorageSOPInstanceUID: instance,
    TransferSyntaxUID: EXPLICIT_LITTLE_ENDIAN,
    ImplementationClassUID: uidOf('samflow'),
    ImplementationVersionName: 'SAMFLOW',
  });
}

/** What a segmentation must have and the source may lack: empty where that is allowed, dates of the source and never of a clock. */
function required({ copied }: SegSource): Item {
  const given = (keyword: string): string => String(copied[tagOf(keyword)]?.Value?.[0] ?? '');
  const may = ['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyID', 'StudyDate', 'StudyTime'];
  const empty = [...may, 'AccessionNumber', 'ReferringPhysicianName', 'PositionReferenceIndicator'];
  return {
    ...Object.fromEntries(empty.filter((keyword) => !(tagOf(keyword) in copied)).map((keyword) => [keyword, ''])),
    LossyImageCompression: given('LossyImageCompression') || '00',
    ContentDate: given('ContentDate') || given('StudyDate') || '19700101',
    ContentTime: given('ContentTime') || given('StudyTime') || '000000',
  };
}

/** Series, equipment and instance: who made the segmentation. */
function general(
  { source, structures, algorithm, softwareVersion }: SegToWrite,
  instance: string,
  series: string,
): Item {
  const names = structures.map(({ name }) => name).join(', ');
  return {
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: SEGMENTATION_STORAGE,
    SOPInstanceUID: instance,
    StudyInstanceUID: source.uids.study,
    SeriesInstanceUID: series,
    FrameOfReferenceUID: source.uids.frameOfReference,
    Modality: 'SEG',
    SeriesNumber: '1000',
    SeriesDescription: longString(`samflow: ${names}`),
    InstanceNumber: '1',
    ImageType: ['DERIVED', 'PRIMARY'],
    Manufacturer: 'samflow',
    ManufacturerModelName: 'samflow',
    DeviceSerialNumber: longString(algorithm),
    SoftwareVersions: longString(softwareVersion),
    ContentLabel: 'SEGMENTATION',
    ContentDescription: longString(source.derivedUids ? 'The source has no UIDs: references are hashes' : names),
    ContentCreatorName: '',
  };
}

function segments({ structures, algorithm }: SegToWrite): Item {
  const items = structures.map(({ name }, at) => {
    const { category, type, laterality } = termsOf(name);
    const side = laterality && { SegmentedPropertyTypeModifierCodeSequence: [code(laterality)] };
    return {
      SegmentNumber: at + 1,
      SegmentLabel: longString(name),
      SegmentAlgorithmType: 'AUTOMATIC',
      SegmentAlgorithmName: longString(algorithm),
      SegmentedPropertyCategoryCodeSequence: [code(category)],
      SegmentedPropertyTypeCodeSequence: [{ ...code(type), ...side }],
    };
  });
  return { SegmentationType: 'BINARY', SegmentsOverlap: 'NO', SegmentSequence: items };
}

const code = ({ value, scheme, meaning }: Term): Item => ({
  CodeValue: value,
  CodingSchemeDesignator: scheme,
  CodeMeaning: meaning,
});

/** Every slice of the source, whether something was found in it or not. */
function references({ uids, slices }: SegSource): Item {
  const instances = slices.map(({ sopClassUid, sopInstanceUid }) => ({
    ReferencedSOPClassUID: sopClassUid,
    ReferencedSOPInstanceUID: sopInstanceUid,
  }));
  return { ReferencedSeriesSequence: [{ SeriesInstanceUID: uids.series, ReferencedInstanceSequence: instances }] };
}

/** Where the frames lie: in common, and each. Dimensions: first the segment, then the position along the normal. */
function functionalGroups(source: SegSource, frames: readonly SegFrame[], dimensions: string): Item {
  const { orientation, pixelSpacing, voxelToWorld } = source;
  const stepMm = decimalString(Math.hypot(...axisStepMm(voxelToWorld, 2)));
  const used = [...new Set(frames.map(({ slice }) => slice))].sort((a, b) => a - b);
  return {
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: dimensions }],
    DimensionIndexSequence: [
      dimension(dimensions, 'ReferencedSegmentNumber', 'SegmentIdentificationSequence'),
      dimension(dimensions, 'ImagePositionPatient', 'PlanePositionSequence'),
    ],
    SharedFunctionalGroupsSequence: [
      {
        PlaneOrientationSequence: [{ ImageOrientationPatient: orientation }],
        PixelMeasuresSequence: [{ PixelSpacing: pixelSpacing, SliceThickness: stepMm, SpacingBetweenSlices: stepMm }],
      },
    ],
    PerFrameFunctionalGroupsSequence: frames.map(({ segment, slice }) => {
      const { position, sopClassUid, sopInstanceUid } = source.slices[slice]!;
      return {
        FrameContentSequence: [{ DimensionIndexValues: [segment, used.indexOf(slice) + 1] }],
        PlanePositionSequence: [{ ImagePositionPatient: position }],
        SegmentIdentificationSequence: [{ ReferencedSegmentNumber: segment }],
        DerivationImageSequence: [
          {
            DerivationCodeSequence: [code({ value: '113076', scheme: 'DCM', meaning: 'Segmentation' })],
            SourceImageSequence: [
              {
                ReferencedSOPClassUID: sopClassUid,
                ReferencedSOPInstanceUID: sopInstanceUid,
                SpatialLocationsPreserved: 'YES',
                PurposeOfReferenceCodeSequence: [code(SOURCE_IMAGE)],
              },
            ],
          },
        ],
      };
    }),
  };
}

const SOURCE_IMAGE: Term = {
  ...{ value: '121322', scheme: 'DCM' },
  meaning: 'Source image for image processing operation',
};

function dimension(organization: string, keyword: string, group: string): Item {
  return {
    DimensionOrganizationUID: organization,
    DimensionIndexPointer: Number.parseInt(tagOf(keyword), 16),
    FunctionalGroupPointer: Number.parseInt(tagOf(group), 16),
    DimensionDescriptionLabel: keyword,
  };
}

function image([columns, rows]: Readonly<Shape3>, frames: number): Item {
  return {
    ...{ Rows: rows, Columns: columns, NumberOfFrames: String(frames) },
    ...{ SamplesPerPixel: 1, PhotometricInterpretation: 'MONOCHROME2', PixelRepresentation: 0 },
    ...{ BitsAllocated: 1, BitsStored: 1, HighBit: 0 },
  };
}
