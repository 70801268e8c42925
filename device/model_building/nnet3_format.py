"""Writes Kaldi's `final.mdl`: a transition model and an nnet3 network, in Kaldi's binary format.

Source: Kaldi's io-funcs, hmm/transition-model, nnet3/nnet-nnet and matrix/compressed-matrix; every detail was proved by
loading in Vosk 0.3.45. A token is its text and one blank; a number is its size in bytes and the number, little endian.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from device.model_building.features import COEFFICIENTS
from device.model_building.phones import DECODER, pdfs

HALF = float(np.log(0.5))


@dataclass(frozen=True)
class Affine:
    """One layer: `weight` (out, offsets * in) and `bias` (out,), on the frames of the layer below at `offsets`."""

    offsets: tuple[int, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def write(path: Path, layers: Sequence[Affine], bits: int) -> None:
    """Write `final.mdl`; between the layers is a ReLU. `bits` of a weight: 32, 16 or 8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"\0B")
        _transitions(_Writer(file))
        _network(_Writer(file), layers, bits)


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def tokens(self, *texts: str) -> None:
        self.file.write("".join(f"{text} " for text in texts).encode())

    def int32(self, *numbers: int) -> None:
        self.file.write(b"".join(b"\x04" + struct.pack("<i", number) for number in numbers))

    def float32(self, number: float) -> None:
        self.file.write(b"\x04" + struct.pack("<f", number))

    def int32s(self, numbers: Iterable[int]) -> None:
        array = np.fromiter(numbers, "<i4")
        self.file.write(b"\x04" + struct.pack("<i", array.size) + array.tobytes())

    def vector(self, numbers: Any) -> None:
        array = np.asarray(numbers, "<f4")
        self.tokens("FV")
        self.int32(array.size)
        self.file.write(array.tobytes())

    def matrix(self, numbers: NDArray[np.float32], bits: int) -> None:
        """Whole, or as codes between the smallest and the largest number (CompressedMatrix)."""
        if bits == 32:
            self.tokens("FM")
            self.int32(*numbers.shape)
            self.file.write(numbers.astype("<f4").tobytes())
            return
        lowest, span = float(numbers.min()), max(float(np.ptp(numbers)), 1e-5)
        self.tokens({16: "CM2", 8: "CM3"}[bits])
        self.file.write(struct.pack("<ffii", lowest, span, *numbers.shape))
        codes = np.clip(np.rint((numbers.astype(float) - lowest) / span * (2**bits - 1)), 0, 2**bits - 1)
        self.file.write(codes.astype({16: "<u2", 8: "u1"}[bits]).tobytes())


def _transitions(to: _Writer) -> None:
    """Every phone: one frame, then any number more, each of them with a pdf of its own (the chain topology)."""
    phones = range(1, len(DECODER) + 1)
    to.tokens("<TransitionModel>", "<Topology>")
    to.int32s(phones)
    to.int32s([-1, *(0 for _ in phones)])  # all phones have topology 0
    # -1: states name the pdf of their loop, too. One topology of two states; the second is the end.
    to.int32(-1, 1, 2)
    to.int32(0, 1, 2)
    for target in (0, 1):
        to.int32(target)
        to.float32(0.5)
    to.int32(-1, -1, 0)
    to.tokens("</Topology>", "<Tuples>")
    to.int32(len(DECODER))
    for number, phone in zip(phones, DECODER, strict=True):
        to.int32(number, 0, *pdfs(phone))
    to.tokens("</Tuples>", "<LogProbs>")
    to.vector([0.0] + [HALF] * (2 * len(DECODER)))  # index 0 means nothing
    to.tokens("</LogProbs>", "</TransitionModel>")


def _network(to: _Writer, layers: Sequence[Affine], bits: int) -> None:
    lines, below = [f"input-node name=input dim={COEFFICIENTS}"], "input"
    for i, layer in enumerate(layers):
        seen = [below if offset == 0 else f"Offset({below}, {offset})" for offset in layer.offsets]
        source = seen[0] if len(seen) == 1 else f"Append({', '.join(seen)})"
        lines.append(f"component-node name=affine{i} component=affine{i} input={source}")
        below = f"affine{i}"
        if i < len(layers) - 1:
            lines.append(f"component-node name=relu{i} component=relu{i} input={below}")
            below = f"relu{i}"
    lines.append(f"output-node name=output input={below} objective=linear")
    to.tokens("<Nnet3>")
    to.file.write(("\n" + "\n".join(lines) + "\n\n").encode())
    to.tokens("<NumComponents>")
    to.int32(2 * len(layers) - 1)
    for i, layer in enumerate(layers):
        to.tokens("<ComponentName>", f"affine{i}", "<FixedAffineComponent>", "<LinearParams>")
        to.matrix(layer.weight, bits)
        to.tokens("<BiasParams>")
        to.vector(layer.bias)
        to.tokens("</FixedAffineComponent>")
        if i < len(layers) - 1:
            to.tokens("<ComponentName>", f"relu{i}", "<RectifiedLinearComponent>", "<Dim>")
            to.int32(len(layer.bias))
            to.tokens("<ValueAvg>")
            to.vector([])
            to.tokens("<DerivAvg>")
            to.vector([])
            to.tokens("<Count>")
            to.file.write(b"\x08" + struct.pack("<d", 0.0))
            to.tokens("</RectifiedLinearComponent>")
    to.tokens("</Nnet3>", "<LeftContext>")
    to.int32(sum(-min(layer.offsets) for layer in layers))
    to.tokens("<RightContext>")
    to.int32(sum(max(layer.offsets) for layer in layers))
    to.tokens("<Priors>")
    to.vector([])
