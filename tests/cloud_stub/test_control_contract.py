"""Control commands: their topics are a promise, what cannot be read is refused by name, and the page lists them all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.contract import control, messages, reference
from cloud_stub.contract.control import COMMANDS, DoNotDisturb, Hear, Mute, Say, Speak, Volume, read_command

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"


def test_the_topics_are_these() -> None:
    assert {name: control.control_topic("kitchen", name) for name in COMMANDS} == {
        name: f"echo/v1/kitchen/control/{name}"
        for name in (
            "hear",
            "say",
            "speak",
            "push_to_talk",
            "mute",
            "unmute",
            "stop",
            "volume",
            "do_not_disturb",
        )
    }


@pytest.mark.parametrize(
    ("name", "payload", "read"),
    [
        ("hear", b"RIFF...", Hear(b"RIFF...")),
        ("say", b'{"text":"what time is it"}', Say("what time is it")),
        ("speak", b'{"text":"hello"}', Speak("hello")),
        ("mute", b"", Mute()),
        ("mute", b" \n", Mute()),
        ("mute", b"{}", Mute()),
        ("volume", b'{"level":0}', Volume(0)),
        ("do_not_disturb", b'{"on":true}', DoNotDisturb(on=True)),
    ],
)
def test_a_command_is_read(name: str, payload: bytes, read: object) -> None:
    assert read_command(name, payload) == read


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("dance", b"", "no control command 'dance'. There are: hear, say"),
        ("say", b"what time is it", "Expected a JSON object with text"),
        ("say", b"", "Expected a JSON object with text"),
        ("volume", b'{"level":101}', "Expected a JSON object with level"),
        ("stop", b'{"now":true}', "Expected no payload"),
        ("hear", bytes(messages.MAX_RECORDING_BYTES + 1), "Send at most 2000000"),
    ],
)
def test_a_bad_command_is_refused_with_what_was_expected(name: str, payload: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        read_command(name, payload)
    assert said in str(refused.value)
    assert "what time" not in str(refused.value), "never what was said"


@given(st.sampled_from([*COMMANDS, "", "x/y"]), st.binary(max_size=40))
def test_any_payload_is_a_command_or_a_value_error(name: str, payload: bytes) -> None:
    try:
        assert type(read_command(name, payload)) is COMMANDS[name]
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_the_page_of_all_messages_is_in_step_with_the_contract() -> None:
    assert PAGE.read_text("utf-8") == reference.table(), (
        "run: python -m cloud_stub.contract.reference > docs/messages.md"
    )


def test_the_page_names_every_event_directive_and_command() -> None:
    page = PAGE.read_text("utf-8")
    for room, names in (("event", messages.EVENTS), ("directive", messages.DIRECTIVES), ("control", COMMANDS)):
        assert [name for name in names if f"| `echo/v1/{{device}}/{room}/{name}` |" not in page] == []
