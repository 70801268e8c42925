"""Your own data in your hands: everything of an account in one ZIP that opens in a browser without a server."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, select

from cloud_stub import durable
from cloud_stub.contract.messages import rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.residue.left import left
from cloud_stub.retention import acts
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive, quarantine, setting
from cloud_stub.third_parties.partner import held
from cloud_stub.voice_history import history

VERSION = 1

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
dt { font-weight: bold; margin-top: 1rem } dd { margin: 0 0 .3rem } audio { display: block; margin: .3rem 0 }
table { border-collapse: collapse } td, th { border-bottom: 1px solid #ccc; padding: .2rem .6rem; text-align: left }
.rule { color: #555; font-size: .85rem }
"""


def export(house: House, account: str, file: Path) -> dict[str, Any]:
    """Write the archive; returns its manifest. Raises CloudError where there is nothing, or the file is there already.

    What is in it, `pack` says.
    """
    try:
        with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as archive:
            manifest = pack(house, account, archive)
        durable.sync(file)
        durable.sync(file.parent)
    except FileExistsError as error:
        raise CloudError(f"{file} is there already. Name another file, or remove it.") from error
    except CloudError:
        file.unlink()
        raise
    except OSError as error:
        raise CloudError(f"{file} cannot be written: {error}. Choose another place.") from error
    file.chmod(0o600)
    return manifest


def pack(house: House, account: str, archive: zipfile.ZipFile) -> dict[str, Any]:
    """Put everything of the account into the archive; returns its manifest. Raises CloudError where there is nothing.

    In it: `records/STORE/KIND.json`, `recordings/STORE/INTERACTION.flac`, `third_parties/NAME.json` (as an observer
    finds it in their folders), `history.json`, `left.json` (each record with its rule and clause), `index.html`, and
    `manifest.json`, which says what every file holds, with the types of its columns.
    """
    with house.stores.read() as connection:
        rows = left(connection, house.keys, house.policy, account, house.clock.now(), house.data)
        shown = history(connection, house.keys.seal, account)
        tables = list(_tables(connection, house, account))
    if not rows and not tables:
        raise CloudError(f"there is nothing of the account {account!r}.")
    files: dict[str, dict[str, Any]] = {}
    for table, found in tables:
        name = f"records/{table.schema}/{table.name}.json"
        archive.writestr(name, _json([_readable(archive, table, row) for row in found]))
        files[name] = {"rows": len(found), "columns": {c.name: str(c.type) for c in table.columns}}
    for partner in THIRD_PARTIES:
        if theirs := held(house.data, partner, account):
            name = f"third_parties/{partner}.json"
            archive.writestr(name, _json(theirs))
            files[name] = {"rows": len(theirs), "columns": {"interaction": "TEXT", "at": "TEXT", "fields": "JSON"}}
    for name, content in (("history.json", shown), ("left.json", [asdict(row) for row in rows])):
        archive.writestr(name, _json(content))
        files[name] = {"rows": len(content)}
    manifest = {
        "version": VERSION,
        "account": account,
        "policy": house.policy.name,
        "made_at": rfc3339(house.clock.now()),
        "files": files,
    }
    archive.writestr("manifest.json", _json(manifest))
    archive.writestr("index.html", _page(manifest, shown, [asdict(row) for row in rows]))
    return manifest


def _tables(connection: Connection, house: House, account: str) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    """Every table that has rows of the account, with them; under its pseudonym too."""
    names = (account, acts.pseudonymous(house.keys, account))
    for table in (*RECORDS.values(), directive, quarantine, setting):
        found = connection.execute(select(table).where(table.c.account.in_(names)).order_by(*table.primary_key))
        rows = house.keys.seal.opened(table, found.mappings())
        if rows:
            yield table, rows


def _readable(archive: zipfile.ZipFile, table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row for JSON: sound goes into a file of its own, other bytes are shown as text where they are text."""
    shown = {}
    for name, value in row.items():
        if not isinstance(value, bytes):
            shown[name] = value
        elif isinstance(table.c[name].type, LargeBinary) and value.startswith(b"fLaC"):
            shown[name] = f"recordings/{table.schema}/{row['interaction']}.flac"
            archive.writestr(shown[name], value, zipfile.ZIP_STORED)
        else:
            shown[name] = value.decode("utf-8", "backslashreplace") if name != "needles" else f"{len(value)} bytes"
    return shown


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _page(manifest: dict[str, Any], shown: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    said = "".join(
        f"<dt>{escape(str(row['at']))}, {escape(row['device'])}</dt><dd>You: {escape(row['transcript'] or '')}</dd>"
        f"<dd>Answer: {escape(row['response'] or '')}</dd>"
        + (
            f'<dd><audio controls preload="none" src="recordings/primary/{escape(row["id"])}.flac"></audio></dd>'
            if row["recording"]
            else ""
        )
        for row in shown
    )
    kept = "".join(
        f"<tr><td>{escape(row['store'])}/{escape(row['kind'])}</td><td>"
        + escape(", ".join(f"{name}: {value}" for name, value in row["fields"].items() if value not in (None, "")))
        + f'<div class="rule">{escape(row["rule"] or "no rule: a defect")}: {escape(row["clause"] or "")}</div>'
        "</td></tr>"
        for row in rows
    )
    files = "".join(f"<li>{escape(name)}: {about['rows']}</li>" for name, about in manifest["files"].items())
    account, policy = escape(manifest["account"]), escape(manifest["policy"])
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data of {account}</title>
<style>{_STYLE}</style></head><body><h1>Everything of {account}</h1>
<p>Under {policy}, on {escape(manifest["made_at"])}. The same for programs: the JSON files beside this page.</p>
<h2>What was said</h2><dl>{said}</dl>
<h2>What is kept, and why</h2><table><tbody>{kept}</tbody></table>
<h2>Files</h2><ul>{files}</ul></body></html>
"""
