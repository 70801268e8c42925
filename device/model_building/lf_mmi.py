"""Lattice-free MMI without alignments: log-likelihood of the transcript minus that of any sequence of phones.

Source: Povey et al. 2016, "Purely sequence-trained neural networks for ASR based on lattice-free MMI"; flat start:
Hadian et al. 2018. Both sums run over hidden Markov models in which a phone is one frame of its first pdf and then any
number of its second. The gradient of each by a score is the probability of being there, which forward-backward gives
directly; so nothing is differentiated through time. Probabilities are rescaled at every frame instead of taken in logs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from device.model_building.phones import BASE, PDFS

TINY = 1e-30
STAY = 0.5  # in both models; Kaldi's file says the same


@dataclass(frozen=True)
class AnyPhones:
    """The denominator: a bigram of phones. `step` (pdfs, pdfs), `first` and `last` (pdfs,) are probabilities."""

    step: Any
    first: Any
    last: Any


def any_phones(sequences: Iterable[Sequence[int]], smoothing: float = 12.0) -> AnyPhones:
    """The bigram of sequences of base phones, smoothed towards how often each phone is."""
    edge = len(BASE)
    counts = np.zeros((edge + 1, edge + 1))
    for phones in sequences:
        path = [edge, *phones, edge]
        np.add.at(counts, (path[:-1], path[1:]), 1)
    common = counts.sum(0) / counts.sum()
    counts += smoothing * common + 0.01
    counts[edge, edge] = 0
    follows = counts / counts.sum(1, keepdims=True)
    step = np.zeros((PDFS, PDFS))
    firsts, laters = slice(0, PDFS, 2), slice(1, PDFS, 2)
    step[firsts, firsts] = step[laters, firsts] = (1 - STAY) * follows[:edge, :edge]
    step[firsts, laters] = step[laters, laters] = STAY * np.eye(edge)
    first = np.zeros(PDFS)
    first[firsts] = follows[edge, :edge]
    last = (1 - STAY) * np.repeat(follows[:edge, edge], 2)
    return AnyPhones(*(torch.tensor(part.tolist()) for part in (step, first, last)))


@dataclass(frozen=True)
class Transcripts:
    """The numerator: for each clip the phones in their order, some of which may be left out.

    Each of shape (clips, n). `phones` are base phones, `there` is 0 where a clip has no more of them; `may_skip` is 1
    where the phone before may be left out, `may_begin` and `may_end` where a path may begin and end.
    """

    phones: Any
    there: Any
    may_skip: Any
    may_begin: Any
    may_end: Any


def transcripts(sequences: Sequence[Sequence[tuple[int, bool]]]) -> Transcripts:
    """From a list of (base phone, may be left out) for each clip."""
    longest = max(map(len, sequences))
    phones = torch.zeros(len(sequences), longest, dtype=torch.long)
    there, may_skip, may_begin, may_end = (torch.zeros(len(sequences), longest) for _ in range(4))
    for i, sequence in enumerate(sequences):
        size = len(sequence)
        phones[i, :size] = torch.tensor([phone for phone, _ in sequence])
        there[i, :size] = 1
        optional = torch.tensor([float(left_out) for _, left_out in sequence])
        may_skip[i, 2:size] = optional[1:-1]
        may_begin[i, 0] = may_end[i, size - 1] = 1
        if size > 1:
            may_begin[i, 1], may_end[i, size - 2] = optional[0], optional[-1]
    return Transcripts(phones, there, may_skip, may_begin, may_end)


def any_posteriors(scores: Any, graph: AnyPhones) -> tuple[Any, Any]:
    """Detached scores (clips, frames, pdfs) -> log-likelihood (clips,), probability of each pdf at each frame."""
    peak = scores.amax(2, keepdim=True)
    likely = (scores - peak).exp().clamp_min(1e-12).transpose(0, 1).contiguous()
    frames = likely.shape[0]
    forward, scale = torch.empty_like(likely), torch.empty(frames, likely.shape[1], 1)
    now = graph.first * likely[0]
    for t in range(frames):
        if t:
            now = (now @ graph.step) * likely[t]
        scale[t] = now.sum(1, keepdim=True).clamp_min(TINY)
        now = now / scale[t]
        forward[t] = now
    ended = now @ graph.last
    total = scale.log().sum((0, 2)) + peak.sum((1, 2)) + ended.log()
    back = graph.last / ended[:, None]
    backwards = graph.step.t().contiguous()
    for t in range(frames - 1, -1, -1):
        forward[t] *= back
        if t:
            back = ((back * likely[t]) @ backwards) / scale[t]
    return total, forward.transpose(0, 1)


def transcript_posteriors(scores: Any, said: Transcripts) -> tuple[Any, Any, Any]:
    """The same for the transcripts, and for which clips there is a path: a clip may be too short for its words."""
    clips, frames, _ = scores.shape
    width = said.phones.shape[1]
    pdfs = torch.stack([2 * said.phones, 2 * said.phones + 1], 2).view(clips, 1, 2 * width).expand(-1, frames, -1)
    emitted = scores.gather(2, pdfs) + float(np.log(STAY))
    peak = emitted.amax(2, keepdim=True)
    likely = (emitted - peak).exp().clamp_min(TINY).transpose(0, 1).reshape(frames, clips, width, 2)
    likely = likely * said.there[:, :, None]
    forward, scale = torch.empty_like(likely), torch.empty(frames, clips)
    now = torch.stack([said.may_begin, torch.zeros_like(said.may_begin)], 2) * likely[0]
    for t in range(frames):
        if t:
            left = now.sum(2)
            came = torch.zeros_like(left)
            came[:, 1:] = left[:, :-1]
            came[:, 2:] += left[:, :-2] * said.may_skip[:, 2:]
            now = torch.stack([came, left], 2) * likely[t]
        scale[t] = now.sum((1, 2)).clamp_min(TINY)
        now = now / scale[t][:, None, None]
        forward[t] = now
    ended = (now.sum(2) * said.may_end).sum(1)
    possible = ended > 1e-20
    total = scale.log().sum(0) + peak.sum((1, 2)) + ended.clamp_min(TINY).log()
    back = (said.may_end / ended.clamp_min(1e-20)[:, None])[:, :, None].expand(-1, -1, 2)
    for t in range(frames - 1, -1, -1):
        forward[t] *= back
        if t:
            entered, stayed = ((back * likely[t]) / scale[t][:, None, None]).unbind(2)
            out = stayed.clone()
            out[:, :-1] += entered[:, 1:]
            out[:, :-2] += entered[:, 2:] * said.may_skip[:, 2:]
            back = out[:, :, None].expand(-1, -1, 2)
    where = torch.zeros_like(scores).scatter_add_(2, pdfs, forward.transpose(0, 1).reshape(clips, frames, -1))
    return total, torch.nan_to_num(where), possible & torch.isfinite(total)
