"""What is paid for: subscriptions, groceries, and what third parties are told to do."""

from datetime import datetime

from cloud_stub.assistant.outcome import Draft, Memory, Outcome, PartnerOrder, Request
from cloud_stub.assistant.planning import NeverComesError
from cloud_stub.assistant.sending import goods
from cloud_stub.assistant.spoken_time import moment, number
from cloud_stub.assistant.understanding import Understood
from cloud_stub.assistant.wording import joined, second_person, spoken_moment
from cloud_stub.contract.messages import rfc3339


def subscribe(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Subscribe to amazon music unlimited"."""
    service = asked.said("service")
    draft = Draft("commerce", "subscription", {"service": service})
    return Outcome(asked.intent, f"You are now subscribed to {service.title()}.", (draft,))


def order_groceries(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Order milk and eggs from amazon fresh", which is also the shop where none is said."""
    shop, items = asked.said("shop", "amazon fresh"), goods(asked)
    draft = Draft("commerce", "order", {"shop": shop, "items": ", ".join(items)})
    return Outcome(asked.intent, f"I ordered {joined(items)} from {shop.title()}.", (draft,))


def request_ride(request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Request a ride from uber to the airport". A time is only for the driver: the record has none."""
    provider, destination = asked.said("provider", "uber"), asked.said("destination")
    details: dict[str, str | int] = {"provider": provider, "destination": destination}
    where, when = f" to {second_person(destination)}" if destination else "", ""
    if asked.said("when"):
        pickup = _pickup(request, asked.said("when"))
        details["pickup"] = rfc3339(pickup)
        when = f" {spoken_moment(pickup, request.now)}"
    draft = Draft("commerce", "ride", {"provider": provider, "destination": destination})
    response = f"I asked {second_person(provider).title()} for a ride{where}{when}."
    return Outcome(asked.intent, response, (draft,), PartnerOrder("ride", details))


def _pickup(request: Request, when: str) -> datetime:
    pickup = moment(when, request.now)
    if pickup is None:
        raise NeverComesError
    return pickup


def order_pizza(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Order a large pepperoni pizza from dominos"; what is not said is the usual: one large cheese pizza."""
    size, topping = asked.said("size", "large"), asked.said("topping", "cheese")
    shop, quantity = asked.said("shop", "dominos"), number(asked.said("quantity", "one")) or 1
    details: dict[str, str | int] = {"shop": shop, "size": size, "topping": topping, "quantity": quantity}
    pizzas = f"a {size} {topping} pizza" if quantity == 1 else f"{quantity} {size} {topping} pizzas"
    response = f"I ordered {pizzas} from {shop.title()}."
    draft = Draft("commerce", "pizza", {**details})
    return Outcome(asked.intent, response, (draft,), PartnerOrder("pizza", details))


def buy_in_skill(_request: Request, asked: Understood, _memory: Memory) -> Outcome:
    """ "Buy the extra questions in the quiz"."""
    details: dict[str, str | int] = {"skill": asked.said("skill", "quiz"), "product": asked.said("product")}
    draft = Draft("commerce", "in_skill_purchase", {**details})
    response = f"I bought {details['product']} in the {details['skill']}."
    return Outcome(asked.intent, response, (draft,), PartnerOrder("quiz", details))
