"""The reference side of `npm run bench -- engine`: Hugging Face SamModel in PyTorch, Pillow and NumPy.

A long-lived process (serving.py), which answers in seconds, and `memory` in bytes.

    python reference.py THREADS [DEVICE]

DEVICE is cpu (the default) or cuda:N; `resize` and `memory` are about the processor whatever it is.
"""

import pathlib
import sys

from serving import seconds_of as timed, serve

EMBEDDING = (256, 64, 64)
MASK = (1, 256, 256)
IMAGE_SIDE = 1024
# Mean and standard deviation of each channel.
IMAGENET = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))


DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cpu"


def settle():
    """Waits for what was only queued on a graphics card."""
    import torch

    if DEVICE != "cpu":
        torch.cuda.synchronize(DEVICE)


class Models:
    """SamModel of sam-vit-base's shape with random weights, made when first needed.

    Time does not depend on values, save denormal ones, so the weights are drawn wide: the class's own initialisation, with
    a deviation of 1e-10, runs into those.
    """

    _model = None

    @classmethod
    def get(cls):
        import torch
        from transformers import SamConfig, SamModel

        if cls._model is None:
            torch.manual_seed(0)
            model = SamModel._from_config(SamConfig(), attn_implementation="sdpa")
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    is_scale = "norm" in name and name.endswith("weight")
                    parameter.fill_(1) if is_scale else parameter.normal_(0, 0.02)
            model.requires_grad_(False)
            cls._model = model.eval().to(DEVICE)
        return cls._model


def seconds_of(work):
    return timed(work, settle)


def boxes(images, per_image):
    """[images, per_image, 4], corners in pixels of the model input."""
    import torch

    first = torch.tensor([112.0, 204.0, 634.0, 727.0])
    shifts = torch.arange(images * per_image).reshape(images, per_image, 1)
    return (first + 8 * shifts).to(DEVICE)


def dice_cross_entropy(logits, target):
    """MONAI's DiceCELoss(sigmoid=True, squared_pred=True) on [N, 1, H, W]."""
    import torch
    from torch.nn import functional

    axes = (1, 2, 3)
    predicted = torch.sigmoid(logits)
    overlap = (predicted * target).sum(axes)
    total = (predicted * predicted).sum(axes) + (target * target).sum(axes)
    dice = 1 - (2 * overlap + 1e-5) / (total + 1e-5)
    return dice.mean() + functional.binary_cross_entropy_with_logits(logits, target)


def training_step(images, boxes_per_image):
    """Forward, loss, backward and Adam on kept embeddings; encoder and prompt encoder are frozen."""
    import torch

    model = Models.get()
    embeddings = torch.randn(images, *EMBEDDING, device=DEVICE)
    prompts = boxes(images, boxes_per_image)
    target = (torch.rand(images * boxes_per_image, *MASK, device=DEVICE) > 0.65).float()
    parameters = list(model.mask_decoder.parameters())
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(parameters, lr=1e-4)

    def step():
        optimiser.zero_grad()
        found = model(image_embeddings=embeddings, input_boxes=prompts, multimask_output=False)
        loss = dice_cross_entropy(found.pred_masks.reshape(target.shape), target)
        loss.backward()
        optimiser.step()
        return loss.item()

    return lambda: seconds_of(step)


def adam():
    """The optimiser's step alone, on the parameters of the mask decoder."""
    import torch

    shapes = [parameter.shape for parameter in Models.get().mask_decoder.parameters()]
    parameters = [torch.nn.Parameter(torch.randn(shape, device=DEVICE)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, device=DEVICE)
    optimiser = torch.optim.Adam(parameters, lr=1e-4)
    return lambda: seconds_of(optimiser.step)


def encode():
    import torch

    model = Models.get()
    pixels = torch.randn(1, 3, IMAGE_SIDE, IMAGE_SIDE, device=DEVICE)
    return lambda: seconds_of(lambda: model.get_image_embeddings(pixels))


def resize():
    """A grey image as model input: once resized by Pillow, then normalised by channel with NumPy."""
    import numpy
    from PIL import Image

    pixels = numpy.random.default_rng(0).integers(0, 256, (512, 512), dtype=numpy.uint8)

    def preprocess():
        resized = Image.fromarray(pixels).resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BILINEAR)
        rescaled = numpy.asarray(resized).astype(numpy.float32) * numpy.float32(1 / 255)
        height, width = rescaled.shape
        padded = numpy.zeros((3, IMAGE_SIDE, IMAGE_SIDE), numpy.float32)
        for channel, (mean, std) in enumerate(IMAGENET):
            padded[channel, :height, :width] = (rescaled - numpy.float32(mean)) / numpy.float32(std)
        return padded

    return lambda: seconds_of(preprocess)


def memory():
    """Peak resident bytes of this process after three training steps of eight boxes; to be asked of a fresh process."""
    step = training_step(8, 1)

    def peak():
        for _ in range(3):
            step()
        status = pathlib.Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])

    return peak


ROWS = {
    "step": lambda: training_step(1, 1),
    "boxes": lambda: training_step(1, 4),
    "adam": adam,
    "encode": encode,
    "resize": resize,
    "memory": memory,
}


def start(threads):
    import torch

    torch.set_num_threads(threads)


serve(ROWS, "requirements.txt", start)
