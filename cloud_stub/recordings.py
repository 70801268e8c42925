"""The sound of a request: taken when it is FLAC and neither deleted nor unwanted, and copied where it was sampled."""

import io
from dataclasses import replace

import soundfile
from sqlalchemy import and_, select

from cloud_stub.batch import Batch, Incoming, Origin
from cloud_stub.contract.messages import MAX_RECORDING_BYTES, new_id, rfc3339, time_of
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.tables import RECORDS

#: A minute, as MAX_RECORDING_BYTES is of uncompressed sound: 2 MB of silence in FLAC can be days.
LONGEST_S = 60

_SAMPLE_RATE_HZ = 16_000


def take(batch: Batch, message: Incoming, origin: Origin) -> None:
    """Store and answer one recording's event. Raises ValueError where it is no recording."""
    check(message.payload)
    transcript = RECORDS["primary", "transcript"]
    batch.flush(transcript)
    mine = and_(transcript.c.account == origin.account, transcript.c.interaction == origin.interaction)
    at = batch.connection.execute(select(transcript.c.at).where(mine)).scalar()
    origin = alone(origin) if at is None else replace(origin, at=at)
    if batch.deleted(origin):
        batch.answer(origin, "recording", "forgotten")
        return
    before = batch.answered(origin, "recording")
    if before is None and not batch.household(origin.account).save_recordings:
        before = "forgotten"
        batch.mark(origin, "recording", before)
    if before is None:
        before = "stored"
        batch.record("primary", "recording", origin, flac=message.payload)
        batch.mark(origin, "recording", before)
        sample(batch, origin)
    batch.answer(origin, "recording", before)


def sample(batch: Batch, origin: Origin) -> None:
    """Copy the recording to the training corpus once both it and the sampled transcript are there."""
    if batch.answered(origin, "recording") != "stored" or not batch.household(origin.account).use_for_improvement:
        return
    recording, copy, chosen = (
        RECORDS["primary", "recording"],
        RECORDS["training", "recording"],
        RECORDS["training", "transcript"],
    )
    batch.flush(recording, chosen)
    picked = (
        select(recording)
        .join(chosen, and_(chosen.c.account == recording.c.account, chosen.c.interaction == recording.c.interaction))
        .where(recording.c.account == origin.account, recording.c.interaction == origin.interaction)
    )
    for row in batch.seal.opened(recording, batch.connection.execute(picked).mappings()):
        # What was decided about the recording was not decided about its copy.
        batch.add(copy, row | {"deleted_at": None, "deleted_by": None})


def drop(batch: Batch, origin: Origin) -> None:
    """The interaction was deleted before it arrived: its recording, which knows only its id's time, goes too."""
    if not batch.deleted(alone(origin)):
        batch.delete(Scope(new_id(), origin.account, origin.received_at, interaction=origin.interaction))


def alone(origin: Origin) -> Origin:
    """The same, at the time in its id: all that a recording knows of its time without its interaction."""
    return replace(origin, at=rfc3339(time_of(origin.interaction)))


def check(payload: bytes) -> None:
    """Raise ValueError unless the payload is FLAC, 16 kHz mono, of a length that a request has, and whole.

    It is read to its end: whoever reads it later trusts the length in its header, which can claim years.
    """
    if len(payload) > MAX_RECORDING_BYTES:
        raise ValueError(f"{len(payload)} bytes are too many for a recording ({MAX_RECORDING_BYTES}).")
    if not payload.startswith(b"fLaC"):
        raise ValueError("the recording is no FLAC file. Send one, 16 kHz mono.")
    try:
        with soundfile.SoundFile(io.BytesIO(payload)) as sound:
            if (sound.format, sound.samplerate, sound.channels) != ("FLAC", _SAMPLE_RATE_HZ, 1):
                raise ValueError(f"a recording is FLAC, 16 kHz, mono; this is {sound.format}, {sound.samplerate} Hz.")
            if not 0 < sound.frames <= LONGEST_S * _SAMPLE_RATE_HZ:
                raise ValueError(f"the recording claims {sound.frames} samples. Send 1 to {LONGEST_S} s, and say so.")
            claimed = sound.frames
        # Opened anew and from its beginning, as every later reader does: libsndfile can also stop without a word.
        read = len(soundfile.read(io.BytesIO(payload), dtype="int16")[0])
        if read < claimed:
            raise ValueError(f"the recording breaks off after {read} of {claimed} samples. Send all of it.")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"the recording cannot be read to its end: {error} Send all of it.") from error
