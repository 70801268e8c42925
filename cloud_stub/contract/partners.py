"""What the cloud and its third parties say to each other. It crosses the same broker, and no device sees it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cloud_stub.contract.messages import VERSION, Id, Name, Text, Utc, Whole

PARTNER_ROOT = f"partner/v{VERSION}"


class PartnerRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the cloud asks of a third party (a skill developer): to do something, or to delete what it holds."""

    id: Id
    verb: Literal["perform", "delete"]
    account: Annotated[str, Meta(max_length=100)]
    interaction: Id
    at: Utc
    details: dict[str, Text | Whole] = {}


class PartnerNotice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A third party asks the operator to delete what it holds about an interaction that they shared."""

    partner: Name
    account: Annotated[str, Meta(max_length=100)]
    interaction: Id


class PartnerReply(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A third party's answer. A silent one never sends it for a deletion."""

    request: Id
    partner: Name
    outcome: Literal["done", "honoured", "refused"]
    reference: Annotated[str, Meta(max_length=100)] = ""
    reason: Text = ""


def partner_topic(partner: str, direction: Literal["request", "reply", "notice"]) -> str:
    """`partner/v1/{partner}/request` (to it), `.../reply` and `.../notice` (from it)."""
    return f"{PARTNER_ROOT}/{partner}/{direction}"
