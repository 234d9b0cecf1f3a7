"""The reference side of `npm run bench -- data`: nibabel, NumPy, Pillow, SimpleITK and SciPy, as a person's script uses them.

    python data.py THREADS

A long-lived process (serving.py), which answers in seconds.
"""

import pathlib
import shutil
import tempfile

from serving import seconds_of, serve


def slices(ct, low_hu, high_hu):
    """A scan as windowed axial slices, each a PNG in radiological order."""
    import nibabel
    import numpy
    from PIL import Image

    def cut():
        folder = pathlib.Path(tempfile.mkdtemp())
        try:
            scan = nibabel.as_closest_canonical(nibabel.load(ct))
            hu = numpy.asarray(scan.dataobj)
            clipped = numpy.clip(hu, low_hu, high_hu).astype(numpy.float32)
            grey = ((clipped - low_hu) * numpy.float32(255 / (high_hu - low_hu)) + numpy.float32(0.5)).astype(numpy.uint8)
            for z in range(grey.shape[2]):
                Image.fromarray(numpy.ascontiguousarray(grey[::-1, ::-1, z].T)).save(folder / f"{z}.png")
        finally:
            shutil.rmtree(folder)

    return lambda: seconds_of(cut)


def dicom(folder):
    """A series as an array, in the order of its positions."""
    import SimpleITK

    def read():
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
        return SimpleITK.GetArrayFromImage(reader.Execute())

    return lambda: seconds_of(read)


def masks(truth, prediction, shape):
    """Two files of bytes as boolean volumes [z, y, x]; shape is x, y, z."""
    import numpy

    return [numpy.fromfile(file, numpy.uint8).reshape(shape[::-1]) > 0 for file in (truth, prediction)]


def common_box(one, other):
    from scipy import ndimage

    return ndimage.find_objects((one | other).astype("uint8"))[0]


def edges(truth, prediction, shape, spacing, tolerance):
    """HD95 and NSD between foreground voxels at the edge, as MONAI and MedPy do it."""
    import numpy
    from scipy import ndimage

    volumes = masks(truth, prediction, shape)

    def score():
        box = common_box(*volumes)
        one, other = (numpy.pad(volume[box], 1) for volume in volumes)
        one, other = (volume ^ ndimage.binary_erosion(volume) for volume in (one, other))
        there = ndimage.distance_transform_edt(~other, sampling=spacing[::-1])[one]
        back = ndimage.distance_transform_edt(~one, sampling=spacing[::-1])[other]
        hd95 = max(numpy.percentile(there, 95), numpy.percentile(back, 95))
        nsd = ((there <= tolerance).sum() + (back <= tolerance).sum()) / (there.size + back.size)
        return hd95, nsd

    return lambda: seconds_of(score)


def surfels(truth, prediction, shape, spacing, tolerance):
    """The same between pieces of surface with their areas, as DeepMind's surface-distance does it; areas by code are those of a
    table, which takes no time: here any table."""
    import numpy
    from scipy import ndimage

    volumes = masks(truth, prediction, shape)
    kernel = numpy.array([[[128, 64], [32, 16]], [[8, 4], [2, 1]]])
    area_of = numpy.linspace(0.5, 1.5, 256)

    def score():
        box = common_box(*volumes)
        padded = [numpy.pad(volume[box], ((0, 1),) * 3) for volume in volumes]
        codes = [ndimage.correlate(volume.astype(numpy.uint8), kernel, mode="constant", cval=0) for volume in padded]
        borders = [(code != 0) & (code != 255) for code in codes]
        maps = [ndimage.distance_transform_edt(~border, sampling=spacing[::-1]) for border in borders]
        sides = []
        for border, code, other in zip(borders, codes, reversed(maps)):
            mm, area = other[border], area_of[code[border]]
            order = mm.argsort()
            sides.append((mm[order], area[order]))
        hd95 = max(mm[min(numpy.searchsorted(area.cumsum() / area.sum(), 0.95), mm.size - 1)] for mm, area in sides)
        within = sum(area[mm <= tolerance].sum() for mm, area in sides)
        return hd95, within / sum(area.sum() for _, area in sides)

    return lambda: seconds_of(score)


serve({"slices": slices, "dicom": dicom, "edges": edges, "surfels": surfels}, "requirements-data.txt")
