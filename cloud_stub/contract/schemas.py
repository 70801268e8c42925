"""JSON Schemas (2020-12) of the contract's messages, which accept what `decode` accepts and refuse what it refuses.

One thing no schema can say: a whole number is written without point and exponent, 1 and not 1.0.
"""

from typing import Any

import msgspec
from msgspec import Struct

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: No text holds a NUL character.
TEXT = "^[^\\u0000]*$"

_YEARS_AND_DAYS = (
    r"(?!0000|0001|9999)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
#: An RFC 3339 time of messages.YEARS, with its zone; one that would be rounded up beyond them is none.
TIME = (
    r"^(?!9998-12-31[Tt ]23:59:59\.999999[5-9])" + _YEARS_AND_DAYS + r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])$(?!\n)"
)


def schema(kind: type[Struct]) -> dict[str, Any]:
    """The schema of one message, complete in itself."""
    made = parts([kind], "#/$defs/{name}")
    own = made.pop(kind.__name__)
    return {"$schema": DIALECT, **own, **({"$defs": made} if made else {})}


def parts(kinds: list[type[Struct]], reference: str) -> dict[str, Any]:
    """By name the schemas of messages and of what they are made of; `reference` says where those will stand."""
    _, found = msgspec.json.schema_components(kinds, ref_template=reference)
    made: dict[str, Any] = {name: _exact(part) for name, part in found.items()}
    for kind in kinds:
        # The topic says which directive it is; the payload may leave it out.
        tag = kind.__struct_config__.tag_field
        if tag is not None:
            made[kind.__name__]["required"].remove(tag)
    return made


def _exact(part: Any) -> Any:
    """The same, with what msgspec's own schema leaves unsaid."""
    if isinstance(part, list):
        return [_exact(one) for one in part]
    if not isinstance(part, dict):
        return part
    part = {name: _exact(value) for name, value in part.items()}
    if part.get("type") == "string" and "pattern" not in part:
        part["pattern"] = TIME if part.get("format") == "date-time" else TEXT
    if part.get("type") == "object" and "properties" not in part:
        part["propertyNames"] = {"pattern": TEXT}
    return part
