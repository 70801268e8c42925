"""What is passed on or put down as it was said: messages, and items on a list."""

from cloud_stub.assistant.outcome import Draft, Fields, Memory, Outcome, Request
from cloud_stub.assistant.understanding import Understood
from cloud_stub.assistant.wording import joined, named
from cloud_stub.contract.messages import rfc3339


def send_message(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Send a message to bob saying i am running late"; an announcement's recipient is everyone."""
    recipient, text = asked.said("person", "everyone"), asked.said("message")
    fields: Fields = {"recipient": recipient, "sent_at": rfc3339(request.at), "text": text}
    response = f"Message sent to {named(recipient)}: {text}."
    return Outcome(asked.intent, response, (Draft("actions", "message", fields),))


def add_list_item(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Add milk and eggs to my shopping list": one record an item."""
    name, items = asked.said("list"), goods(asked)
    drafts = tuple(Draft("actions", "list_item", {"list": name, "item": item}) for item in items)
    return Outcome(asked.intent, f"I added {joined(items)} to your {called(name)}.", drafts)


def list_items(request: Request, asked: Understood, memory: Memory) -> Outcome:
    """ "What is on my shopping list"."""
    name = asked.said("list")
    rows = memory.actions(request.account, "list_item")
    items = [str(row["item"]) for row in rows if row.get("list") == name and row["item"] is not None]
    if not items:
        return Outcome(asked.intent, f"Nothing is on your {called(name)}.")
    return Outcome(asked.intent, f"On your {called(name)}: {joined(items[::-1])}.")


def goods(asked: Understood) -> list[str]:
    """The things asked for, one by one: those known by name, else what stands between "and"s."""
    items = asked.every("item") or asked.said("items").split(" and ")
    return [item.strip() for item in items if item.strip()]


def called(name: str) -> str:
    """A list as it is called: the cart and the contacts are lists without the word."""
    return name if name in {"cart", "contacts"} else f"{name} list"
