"""One sentence, said aloud and deleted: who still knows it, moment by moment."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.processes import echo_device

MOMENTS = ["before", "deleted", "90 days later", "18 months later"]


@pytest.mark.parametrize(
    ("policy", "knowing"),
    [
        (
            "amazon-2019",
            [
                {"primary", "subsystems", "actions", "training"},
                {"subsystems", "actions", "training"},
                {"actions", "training"},
                {"actions", "training"},
            ],
        ),
        ("erase-everything", [{"primary", "subsystems", "actions", "training"}, set(), set(), set()]),
    ],
)
def test_who_still_knows_the_walnut(tmp_path: Path, policy: str, knowing: list[set[str]]) -> None:
    picture = tmp_path / "walnut.svg"
    done = echo_device("walnut", "--policy", policy, "--json", "--svg", picture)
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    assert (story["policy"], [moment["moment"] for moment in story["moments"]]) == (policy, MOMENTS)
    found = [
        {place["place"].removeprefix("cloud/") for place in moment["places"] if place["where"]}
        for moment in story["moments"]
    ]
    assert found == knowing
    assert all(place["clauses"] for moment in story["moments"] for place in moment["places"] if place["where"])
    texts = [element.text for element in ElementTree.parse(picture).iter() if element.tag.endswith("text")]
    assert set(MOMENTS) <= set(texts)
