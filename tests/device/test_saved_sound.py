"""Saved sound is off unless asked for, says so where it is on, and obeys the same deletions."""

from pathlib import Path

import pytest

from cloud_stub.contract.messages import Forget, Forgotten, Interaction, new_id
from device.errors import EchoError
from device.keeping import Bounds, Keeping
from device.saved_sound import SavedSound
from tests.device.test_outbox import SOUND, found, said


def test_no_sound_is_saved_unless_a_folder_is_named(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, Bounds())
    heard = said()
    keeping.take(heard, SOUND)
    keeping.outbox.forget(heard.id, None)
    keeping.close()
    assert found(tmp_path, SOUND) == set()


def test_it_says_where_and_whether_retention_knows_of_it(tmp_path: Path) -> None:
    inside, outside = SavedSound(tmp_path / "data" / "sound"), SavedSound(tmp_path / "elsewhere")
    assert "not under retention" not in inside.announcement(tmp_path / "data")
    assert str(tmp_path / "elsewhere") in outside.announcement(tmp_path / "data")
    assert "not under retention" in outside.announcement(tmp_path / "data")


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    return Keeping(tmp_path / "device", Bounds(save_audio=tmp_path / "sound"))


def test_a_file_is_named_by_its_interaction_and_is_for_its_owner_only(keeping: Keeping, tmp_path: Path) -> None:
    heard = said()
    keeping.take(heard, SOUND)
    (file,) = (tmp_path / "sound").iterdir()
    assert (file.name, file.read_bytes(), file.stat().st_mode & 0o777) == (f"{heard.id}.flac", SOUND, 0o600)


@pytest.mark.parametrize("how", ["forget", "forgotten"])
def test_what_the_cloud_erases_or_would_not_keep_is_erased_here(keeping: Keeping, tmp_path: Path, how: str) -> None:
    gone, kept = said(), said()
    for one in (gone, kept):
        keeping.take(one, SOUND)
    keeping.obey(
        Forget(new_id(), "recording", [gone.id, new_id()])
        if how == "forget"
        else Forgotten(new_id(), gone.id, "recording")
    )
    assert [file.name for file in (tmp_path / "sound").iterdir()] == [f"{kept.id}.flac"]
    assert [message.interaction for message in keeping.outbox.waiting() if message.part == "recording"] == [kept.id]


def test_the_bytes_are_gone_before_the_name_is(keeping: Keeping, tmp_path: Path) -> None:
    heard = said()
    keeping.take(heard, SOUND)
    other_name = tmp_path / "other name of the same file"
    other_name.hardlink_to(tmp_path / "sound" / f"{heard.id}.flac")
    keeping.obey(Forget(new_id(), "recording", [heard.id]))
    assert other_name.read_bytes() == bytes(len(SOUND))


def test_where_it_cannot_be_saved_the_interaction_is_kept_all_the_same(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "device", Bounds(save_audio=tmp_path / "sound"))
    heard = said()
    (tmp_path / "sound" / f"{heard.id}.flac").mkdir()
    keeping.take(heard, SOUND)
    assert len(keeping.outbox) == 2


def test_a_folder_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EchoError, match=r"Choose another --save-audio\.$"):
        SavedSound(tmp_path / "file" / "sound")


def test_nothing_but_an_interaction_names_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no interaction's id"):
        SavedSound(tmp_path / "sound").forget(["../../important"])


def test_forgetting_an_interaction_leaves_its_sound_to_its_own_rule(keeping: Keeping, tmp_path: Path) -> None:
    heard: Interaction = said()
    keeping.take(heard, SOUND)
    keeping.obey(Forget(new_id(), "interaction", [heard.id]))
    assert [message.part for message in keeping.outbox.waiting()] == ["recording"]
    assert (tmp_path / "sound" / f"{heard.id}.flac").exists()
