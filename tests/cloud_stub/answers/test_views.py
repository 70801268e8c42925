"""Where the words went, what can be carried away of them, and what outsiders see: all three agree with the stores."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import soundfile
from sqlalchemy import delete, select

from cloud_stub.answers import digest, outsiders, provenance
from cloud_stub.answers.export import export
from cloud_stub.answers.rehearsal import Rehearsal, rehearsal
from cloud_stub.contract import trace
from cloud_stub.contract.trace import FOLDER
from cloud_stub.errors import CloudError
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, seen
from cloud_stub.third_parties.partner import held
from cloud_stub.traces import sound
from cloud_stub.voice_history import history

START = datetime(2026, 6, 1, tzinfo=UTC)
PIZZA = "order a large pepperoni pizza from dominos"


@pytest.fixture
def week(tmp_path: Path) -> Iterator[Rehearsal]:
    """The household's week, of which the third day was deleted."""
    with rehearsal("amazon-2019", START, data=tmp_path / "data", training_share=0.3) as house:
        played = trace.load(FOLDER / "week.jsonl")
        house.play(played)
        house.delete("household", trace.interactions(played)[10].id)
        yield house


def test_every_record_of_a_week_has_an_origin(week: Rehearsal) -> None:
    with week.house.stores.read() as connection:
        assert provenance.orphans(connection) == []
    with week.house.stores.write() as connection:
        table = RECORDS["actions", "alarm"]
        orphan = connection.execute(select(table.c.interaction).where(table.c.deleted_at.is_(None))).scalars().first()
        connection.execute(delete(seen).where(seen.c.interaction == orphan))
    with week.house.stores.read() as connection:
        assert ("actions", "alarm", orphan) in provenance.orphans(connection)


def test_the_graph_of_an_utterance_has_every_record_with_its_clause(tmp_path: Path) -> None:
    with rehearsal("amazon-2019", START, training_share=1.0) as house:
        said = house.say(PIZZA, sound=sound())
        graph = provenance.trace(house.house, said)
        assert graph is not None
        assert {node.name.split("#")[0] for node in graph.nodes} == {
            "utterance",
            "primary/recording",
            "primary/transcript",
            "primary/response",
            "subsystems/transcript",
            "commerce/pizza",
            "training/recording",
            "training/transcript",
            "witness/fingerprint",
            "third_parties/pizza",
        }
        edges = {(edge.source, edge.target) for edge in graph.edges}
        assert ("commerce/pizza", "third_parties/pizza") in edges
        assert ("primary/recording", "training/recording") in edges
        assert all(edge.rule.startswith("amazon-2019 rule") and edge.clause for edge in graph.edges)

        house.delete("household", said)
        graph = provenance.trace(house.house, said)
        assert graph is not None
        gone = {node.name for node in graph.nodes if not node.there}
        assert gone == {"primary/recording", "primary/transcript", "primary/response", "operations/seen"}
        assert {edge.rule for edge in graph.edges if edge.target == "primary/transcript"} == {
            "amazon-2019 rule 1 (user_delete: erase; L2)"
        }
        picture = tmp_path / "graph.svg"
        picture.write_text(provenance.svg(graph))
        texts = [element.text for element in ElementTree.parse(picture).iter() if element.tag.endswith("text")]
        assert {node.name for node in graph.nodes} <= set(texts)


def test_the_archive_holds_just_what_the_stores_and_third_parties_hold(week: Rehearsal, tmp_path: Path) -> None:
    file = tmp_path / "mine.zip"
    export(week.house, "household", file)
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    left: list[dict[str, Any]] = json.loads(content["left.json"])
    assert left == json.loads(json.dumps([asdict(row) for row in week.left("household")]))
    with week.house.stores.read() as connection:
        assert json.loads(content["history.json"]) == history(connection, week.house.keys.seal, "household")
        for (store, kind), table in RECORDS.items():
            rows = [dict(row) for row in connection.execute(select(table)).mappings()]
            name = f"records/{store}/{kind}.json"
            exported = json.loads(content.pop(name)) if rows else []
            keys = [column.name for column in table.primary_key]
            assert sorted([row[key] for key in keys] for row in exported) == sorted(
                [row[key] for key in keys] for row in rows
            )
            for row in (row for row in rows if "flac" in row):
                assert content.pop(f"recordings/{store}/{row['interaction']}.flac") == row["flac"]
                assert soundfile.info(io.BytesIO(row["flac"])).samplerate == 16_000
    for partner in THIRD_PARTIES:
        theirs = json.loads(content.pop(f"third_parties/{partner}.json"))
        assert theirs == held(week.house.data, partner, "household")
    manifest = json.loads(content.pop("manifest.json"))
    page = content.pop("index.html").decode()
    assert set(content) == {"left.json", "history.json"}, "and nothing else"
    assert manifest["files"]["records/primary/transcript.json"]["columns"]["text"] == "TEXT"
    assert "http" not in page.replace("http-equiv", "")
    assert all(f"recordings/primary/{row['id']}.flac" in page for row in history_rows(week) if row["recording"])
    with pytest.raises(CloudError, match="is there already"):
        export(week.house, "household", file)


def history_rows(week: Rehearsal) -> list[dict[str, Any]]:
    with week.house.stores.read() as connection:
        return history(connection, week.house.keys.seal, "household")


def test_what_outsiders_see(tmp_path: Path) -> None:
    with rehearsal("erase-everything", START, data=tmp_path / "data", training_share=1.0) as house:
        said = house.say(PIZZA, sound=sound())
        (pizza,) = outsiders.developers(house.house, "household")["pizza"]
        assert pizza["fields"]["topping"] == "pepperoni"
        samples = outsiders.trainer(house.house)
        assert {(row["account"], row["kind"]) for row in samples} == {
            ("household", "recording"),
            ("household", "transcript"),
        }
        house.house.stores.checkpoint()
        readable = outsiders.finder(house.house.data)
        assert any(PIZZA in text for text in readable["cloud/primary"]["some"])
        house.delete("household", said)
    readable = outsiders.finder(tmp_path / "data")
    assert not any(PIZZA in text for about in readable.values() for text in about["some"])


def test_a_hash_of_the_stores_sees_a_word_and_does_not_see_a_key(tmp_path: Path) -> None:
    hashes = []
    for number, text in enumerate((PIZZA, PIZZA, "order a small pepperoni pizza from dominos")):
        with rehearsal("amazon-2019", START, data=tmp_path / str(number)) as house:
            sent = trace.load(FOLDER / "walnut.jsonl")
            house.play(sent)
            house.ingest.handle([said(text)])
            with house.house.stores.read() as connection:
                hashes.append(digest.digest(connection, house.house.keys.seal))
    assert hashes[0] == hashes[1] != hashes[2]


def said(text: str) -> Any:
    from cloud_stub.batch import Incoming
    from cloud_stub.contract.messages import Interaction, encode, new_id

    at = datetime(2026, 6, 2, tzinfo=UTC)
    interaction = Interaction(
        id=new_id(at, bytes(10)), device="kitchen", at=at, source="text", wake_word="alexa", transcript=text
    )
    return Incoming(interaction.topic(), encode(interaction))
