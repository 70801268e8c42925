"""Trains the network by LF-MMI for a fixed number of steps, in several processes whose gradients are averaged.

All that is random comes from the seed and the number of the step, and every process holds the same numbers after each
step. So a training that was interrupted goes on from its last checkpoint to the same end, and two trainings with the
same seed, number of processes and machine give the same network.
"""

import multiprocessing
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from device.errors import EchoError
from device.model_building import features, lf_mmi
from device.model_building.features import Clip, DataSet
from device.model_building.lexicon import Pronunciation
from device.model_building.network import Network
from device.model_building.phones import NUMBER
from device.model_building.progress import Progress
from device.model_building.recipe import NetworkOptions, TrainingOptions

CHECKPOINT = 200  # steps
SILENCE_PDFS = 2  # the first two are silence's
PATIENCE_S = 600.0  # for the slowest of the processes


@dataclass(frozen=True)
class Task:
    """One training: what it learns from and where it goes."""

    data: tuple[Path, ...]
    lexicon: Mapping[str, Sequence[Pronunciation]]
    network: NetworkOptions
    options: TrainingOptions
    seed: int
    processes: int
    start: Path | None
    """A trained network to begin with."""
    out: Path


def train(task: Task) -> None:
    """Train, and write the network's numbers to `task.out`. Raises EchoError where a process fails."""
    context = multiprocessing.get_context("spawn")
    exchange = _Exchange(
        torch.zeros(task.processes, _size(_network(task.network))).share_memory_(), context.Barrier(task.processes)
    )
    others = [context.Process(target=_run, args=(task, rank, exchange)) for rank in range(1, task.processes)]
    for process in others:
        process.start()
    try:
        _run(task, 0, exchange)
    except BaseException:
        exchange.barrier.abort()
        raise
    finally:
        for process in others:
            process.join()
    if any(process.exitcode for process in others):
        raise EchoError("A training process ended before its time. Run it again: it goes on from the last checkpoint.")


def load(path: Path, options: NetworkOptions) -> Network:
    """A trained network, for use."""
    network = _network(options)
    network.load_state_dict(torch.load(path, map_location="cpu"))
    network.eval()
    return network


@dataclass(frozen=True)
class _Exchange:
    """Where the processes meet: each writes its row and reads the mean of all."""

    rows: Any
    barrier: Any

    def mean(self, rank: int, values: Any) -> Any:
        if len(self.rows) == 1:
            return values
        self.rows[rank].copy_(values)
        self.barrier.wait(PATIENCE_S)
        mean = self.rows.mean(0)
        self.barrier.wait(PATIENCE_S)
        return mean


def _run(task: Task, rank: int, exchange: _Exchange) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    options, data = task.options, tuple(features.read(task.data))
    clips = [(number, clip) for number, part in enumerate(data) for clip in part.clips]
    network = _network(task.network)
    if task.start is not None:
        network.load_state_dict(torch.load(task.start, map_location="cpu"))
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=1e-2)
    checkpoint, done = task.out.with_suffix(".checkpoint"), 0
    if checkpoint.is_file():
        kept = torch.load(checkpoint, map_location="cpu")
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        done = kept["step"]
    exchange.mean(rank, torch.zeros(exchange.rows.shape[1]))  # all have read the checkpoint before one writes the next
    denominator = lf_mmi.any_phones(_flat(clips, task))
    average = 0.0
    with Progress(f"training {task.out.stem}", options.steps, shown=rank == 0) as progress:
        progress.advance(done)
        for step, batch in _batches(clips, task, rank, done):
            chance = random.Random(f"{task.seed} {step} {rank}")
            torch.manual_seed(task.seed + 1_000_003 * (step * task.processes + rank))
            gained = _step(network, data, batch, denominator, task, chance)
            _settle(network, optimiser, exchange, rank, _rate(options, step))
            if gained is not None:
                average = gained if average == 0.0 else 0.98 * average + 0.02 * gained
            progress.advance(1, f"loss {average:.4f}")
            if rank == 0 and (step + 1) % CHECKPOINT == 0:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                _save(state, checkpoint)
    if rank == 0:
        _save(network.state_dict(), task.out)
        checkpoint.unlink(missing_ok=True)


def _step(
    network: Network,
    data: Sequence[DataSet],
    batch: Sequence[tuple[int, Clip]],
    denominator: lf_mmi.AnyPhones,
    task: Task,
    chance: random.Random,
) -> float | None:
    """Gradients of one batch. Returns the mean loss a frame, or None where no clip can be aligned."""
    options = task.options
    frames = torch.stack([_tensor(data[part].of(clip)) for part, clip in batch])
    said = lf_mmi.transcripts([_phones(clip.text, task, chance) for _, clip in batch])
    scores = network(frames, _mask(len(batch), frames.shape[1], chance) if options.masks else None)
    found = scores.detach()
    likely, wanted, possible = lf_mmi.transcript_posteriors(found, said)
    anything, general = lf_mmi.any_posteriors(found, denominator)
    gradient = torch.where(possible[:, None, None], general - wanted, torch.zeros(()))
    if options.silent_ends > 0:
        gradient = gradient + options.silent_ends * _towards_silence(found, [clip.speech for _, clip in batch])
    size = scores.shape[0] * scores.shape[1]
    loss = (gradient * scores).sum() / size + 2e-3 * (scores**2).mean()  # the second keeps scores from growing
    network.zero_grad()
    loss.backward()
    each = (anything - likely) / scores.shape[1]
    return float(each[possible].mean()) if bool(possible.any()) else None


def _towards_silence(scores: Any, speech: Sequence[tuple[int, int]]) -> Any:
    """Gradient of the cross-entropy that wants silence in the output frames outside of the speech."""
    likely = scores.softmax(2)
    silence = torch.zeros_like(likely)
    share = likely[:, :, :SILENCE_PDFS]
    silence[:, :, :SILENCE_PDFS] = share / share.sum(2, keepdim=True).clamp_min(1e-8)
    time = torch.arange(scores.shape[1])[None] * features.SUBSAMPLING
    first, last = torch.tensor(speech).unsqueeze(2).unbind(1)
    outside = ((time < first) | (time >= last)).float()
    return outside[:, :, None] * (likely - silence)


def _settle(network: Network, optimiser: Any, exchange: _Exchange, rank: int, rate: float) -> None:
    """One step of the optimiser with the mean of all processes' gradients; BatchNorms' averages are shared, too."""
    gradients = [parameter.grad for parameter in network.parameters()]
    averages = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    mine = torch.cat([part.reshape(-1) for part in [*gradients, *averages]])
    mean = exchange.mean(rank, torch.nan_to_num(mine, 0.0, 0.0, 0.0))
    at = 0
    for part in [*gradients, *averages]:
        part.copy_(mean[at : at + part.numel()].view_as(part))
        at += part.numel()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()


def _rate(options: TrainingOptions, step: int) -> float:
    """Rises for 200 steps or a tenth of them, then falls in a straight line."""
    warm, share = min(200, options.steps // 10 + 1), step / options.steps
    falling = 1.0 if share < 0.1 else 1 - (1 - options.last_rate) * (share - 0.1) / 0.9
    return options.rate * min(1.0, (step + 1) / warm) * falling


def _batches(
    clips: Sequence[tuple[int, Clip]], task: Task, rank: int, done: int
) -> Iterator[tuple[int, list[tuple[int, Clip]]]]:
    """Batches of clips of one length, those of `rank`, from step `done` on; each epoch in an order of its own."""
    by_length: dict[int, list[tuple[int, Clip]]] = {}
    for each in clips:
        by_length.setdefault(each[1].frames, []).append(each)
    step = epoch = 0
    while step < task.options.steps:
        chance = random.Random(f"{task.seed} epoch {epoch}")
        found = []
        for length, same in sorted(by_length.items()):
            order = chance.sample(same, len(same))
            size = max(1, task.options.frames // length)
            found += [order[at : at + size] for at in range(0, len(order), size)]
        found = [batch for batch in found if len(batch) > 3]  # a BatchNorm of few clips says little
        chance.shuffle(found)
        if len(found) < task.processes:
            raise EchoError("There are too few clips to train on. Let the recipe speak more of them.")
        for first in range(0, len(found) - task.processes + 1, task.processes):
            if step == task.options.steps:
                return
            if step >= done:
                yield step, found[first + rank]
            step += 1
        epoch += 1


def _phones(text: str, task: Task, chance: random.Random) -> list[tuple[int, bool]]:
    """(base phone, may be left out): a pronunciation drawn for each word, silence possible around each."""
    found = [(0, True)]
    for word in text.split():
        found += [(NUMBER[phone], False) for phone in chance.choice(task.lexicon[word])]
        found.append((0, True))
    if task.options.silent_ends > 0:
        found[0] = found[-1] = (0, False)
    return found


def _flat(clips: Sequence[tuple[int, Clip]], task: Task) -> Iterator[list[int]]:
    """Phones of many transcripts, with the silences that speech has."""
    chance = random.Random(f"{task.seed} phones")
    for _, clip in chance.sample(clips, min(len(clips), 20_000)):
        inner = _phones(clip.text, task, chance)[1:-1]
        ends = [0] if chance.random() < 0.9 else []
        yield [*ends, *(phone for phone, optional in inner if not optional or chance.random() < 0.35), *ends] or [0]


def _mask(clips: int, frames: int, chance: random.Random) -> Any:
    """Zeros for a stretch of time and a band of coefficients, each in half of the clips."""
    mask = torch.ones(clips, features.COEFFICIENTS, frames)
    for one in mask:
        if chance.random() < 0.5:
            start = chance.randrange(frames)
            one[:, start : start + chance.randrange(2, 18)] = 0
        if chance.random() < 0.5:
            start = chance.randrange(features.COEFFICIENTS)
            one[start : start + chance.randrange(1, 6)] = 0
    return mask


def _tensor(frames: NDArray[np.float16]) -> Any:
    """Without torch's own bridge to numpy: Debian's torch is built for another version of it."""
    return torch.frombuffer(bytearray(frames.tobytes()), dtype=torch.float16).view(frames.shape).float()


def _network(options: NetworkOptions) -> Network:
    return Network(options.width, options.splices, options.dropout)


def _size(network: Network) -> int:
    parts = [*network.parameters(), *(buffer for buffer in network.buffers() if buffer.is_floating_point())]
    return sum(part.numel() for part in parts)


def _save(state: Any, path: Path) -> None:
    part = path.with_suffix(path.suffix + ".part")
    torch.save(state, part)
    part.replace(path)
