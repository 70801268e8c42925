"""Say something, play something, and look at what the cloud answered and kept."""

from pathlib import Path

import device

SOUNDS = Path(device.__file__).parent / "spoken_requests"


def test_what_is_said_is_answered_and_is_in_the_voice_history(echo, cloud):
    said = echo.say("remember that i am allergic to walnuts")

    assert said.answer == "stored"
    assert said.response == "I'll remember that you are allergic to walnuts."
    assert [row["transcript"] for row in cloud.history()] == ["remember that i am allergic to walnuts"]


def test_a_sound_file_is_recognised_and_its_recording_kept(echo, cloud):
    heard = echo.play(SOUNDS / "06_order.flac")

    assert heard.interaction.transcript == "order milk and eggs from amazon fresh"
    (row,) = cloud.history()
    assert row["id"] == heard.interaction.id
    assert row["recording"] > 0


def test_two_devices_share_a_household(echo, make_echo, cloud):
    echo.say("remember that i am allergic to walnuts")

    asked = make_echo("bedroom").say("what am i allergic to")

    assert "walnuts" in asked.response
    assert {row["device"] for row in cloud.history()} == {"kitchen", "bedroom"}
