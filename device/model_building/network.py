"""The acoustic model: a small time-delay network that is computed once for three feature frames.

BatchNorm of the input, then layers of affine, BatchNorm and ReLU, each on a few frames of the layer below, then an
affine output: scores for the pdfs, used as they are. For Kaldi the BatchNorms are folded into the affines.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from device.model_building.features import COEFFICIENTS, SUBSAMPLING
from device.model_building.nnet3_format import Affine
from device.model_building.phones import PDFS


class Network(nn.Module):
    """`splices`: for each layer the offsets it sees, in feature frames, evenly spaced and symmetric."""

    def __init__(self, width: int, splices: Sequence[Sequence[int]], dropout: float = 0.05) -> None:
        super().__init__()
        self.splices = [list(offsets) for offsets in splices]
        self.context = sum(offsets[-1] for offsets in splices)
        self.norm = nn.BatchNorm1d(COEFFICIENTS, affine=False)
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, offsets in enumerate(self.splices):
            spread = {"stride": SUBSAMPLING} if i == 0 else {"dilation": (offsets[1] - offsets[0]) // SUBSAMPLING}
            size = COEFFICIENTS if i == 0 else width
            self.layers.append(nn.Conv1d(size, width, len(offsets), bias=False, **spread))
            self.norms.append(nn.BatchNorm1d(width))
        self.output = nn.Linear(width, PDFS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Any, mask: Any = None) -> Any:
        """Frames (batch, 3 n, 40) -> scores (batch, n, pdfs). `mask` (batch, 40 or 1, 3 n) blanks features."""
        hidden = self.norm(frames.transpose(1, 2))
        if mask is not None:
            hidden = hidden * mask
        # As Kaldi does at the edges of a sound. The first layer, every third frame, has to meet frame 0.
        hidden = functional.pad(hidden, (self.context, self.context), mode="replicate")
        hidden = hidden[:, :, sum(offsets[-1] for offsets in self.splices[1:]) % SUBSAMPLING :]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = self.dropout(functional.relu(norm(layer(hidden))))
        return self.output(hidden.transpose(1, 2))

    def affines(self) -> list[Affine]:
        """The layers as Kaldi has them, the output last."""
        found = []
        mean, deviation = self.norm.running_mean.double(), (self.norm.running_var.double() + self.norm.eps).sqrt()
        for i, (layer, norm, offsets) in enumerate(zip(self.layers, self.norms, self.splices, strict=True)):
            weight = layer.weight.detach().double()  # (out, in, offsets)
            bias = torch.zeros(weight.shape[0], dtype=torch.double)
            if i == 0:
                weight = weight / deviation[None, :, None]
                bias = -(weight * mean[None, :, None]).sum((1, 2))
            gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
            bias = (bias - norm.running_mean.double()) * gain + norm.bias.detach().double()
            rows = (weight * gain[:, None, None]).permute(0, 2, 1).reshape(weight.shape[0], -1)
            found.append(Affine(tuple(offsets), _float32(rows), _float32(bias)))
        return [*found, Affine((0,), _float32(self.output.weight.detach()), _float32(self.output.bias.detach()))]


def _float32(tensor: Any) -> Any:
    return np.array(tensor.tolist(), np.float32)  # not all builds of torch and numpy know each other
