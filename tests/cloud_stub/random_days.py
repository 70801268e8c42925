"""Random days on one street: whatever can happen happens, to the cloud and to the model alike."""

from collections.abc import Callable
from datetime import datetime, timedelta

from cloud_stub import accounts
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import Setting, encode, event_topic, new_id, rfc3339
from cloud_stub.contract.partners import PartnerNotice, partner_topic
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.tables import THIRD_PARTIES
from tests.cloud_stub.retention_model import Taken
from tests.cloud_stub.street import Street

SAYINGS = (
    "what time is it",
    "set an alarm for seven a m",
    "set a timer for ten minutes",
    "remind me of my anniversary on june fourteenth",
    "remember that i am allergic to walnuts",
    "what am i allergic to",
    "send a message to bob saying i am running late",
    "add milk and eggs to my shopping list",
    "what is on my shopping list",
    "what do you know about me",
    "order milk and eggs from amazon fresh",
    "subscribe to amazon music unlimited",
    "order a large pepperoni pizza from dominos",
    "request a ride from uber to the airport",
    "buy the extra questions in the quiz",
)
#: Setting, value, and how that is said; some can only be typed or sent.
CHANGES = (
    ("auto_delete", "P7D", "keep my recordings for a week"),
    ("auto_delete", "never", "never delete my recordings"),
    ("auto_delete", "P15D", ""),
    ("save_recordings", "no", "do not save my recordings"),
    ("save_recordings", "yes", "save my recordings"),
    ("use_for_improvement", "no", "do not use my recordings for training"),
    ("use_for_improvement", "yes", "use my recordings for training"),
    ("delete_by_voice", "no", ""),
    ("delete_by_voice", "yes", ""),
)
LAST, TODAY, EVERYTHING = "delete what i just said", "delete everything i said today", "delete everything"


class Days:
    """One history. Everything about it comes from the street's `chance`."""

    def __init__(self, street: Street) -> None:
        """Of a street whose cloud has been opened."""
        self._street, self._chance, self._model = street, street.chance, street.model
        self._wishes: list[Incoming] = []
        # How often each happens, against the others.
        self._steps: dict[Callable[[], None], int] = {
            self._say: 24,
            self._again: 6,
            self._sound: 6,
            self._delete: 5,
            self._delete_a_time: 3,
            self._delete_by_voice: 3,
            self._change_setting: 6,
            self._change_setting_by_voice: 3,
            self._setting_again: 2,
            self._forget: 2,
            self._torn: 2,
            self._post: 4,
            self._notice: 6,
            self._close: 1,
            self._days_pass: 9,
            self.sweep: 3,
        }

    def step(self) -> None:
        """One thing that happens."""
        self._street.wait(timedelta(seconds=self._chance.randint(1, 100)))
        (one,) = self._chance.choices(list(self._steps), list(self._steps.values()))
        self._street.story.append(f"{rfc3339(self._now())} {one.__name__}")
        one()

    def sweep(self) -> None:
        """Whatever is due is done."""
        self._street.sweeper.sweep()
        self._model.sweep(self._now())

    def _now(self) -> datetime:
        return self._street.house.clock.now()

    def _say(self) -> None:
        """One saying, or several that arrive together, from any device; with its recording, or that comes later."""
        names = [self._street.speak(self._chance.choice(SAYINGS)) for _ in range(self._chance.choice([1, 1, 3]))]
        self._street.deliver(names)
        for name in names:
            sound = self._chance.choice(["now", "now", "later", "never"])
            if sound == "now":
                self._street.deliver_sound(name)
            elif sound == "later":
                self._street.late.append(name)

    def _again(self) -> None:
        """The broker delivers again what it has delivered before, lately most often."""
        some = self._chance.choice([self._said(), self._said()[-5:]])
        self._street.deliver(self._chance.sample(some, min(len(some), 4)))

    def _sound(self) -> None:
        """A recording arrives late, or again."""
        late = self._street.late
        if late and self._chance.random() < 0.7:
            self._street.deliver_sound(late.pop())
        elif self._said():
            self._street.deliver_sound(self._chance.choice(self._said()))

    def _torn(self) -> None:
        if self._said():
            self._street.tear(self._chance.choice(self._said()))

    def _delete(self) -> None:
        """As `cloud-stub erase --interaction`."""
        if self._said():
            name = self._chance.choice(self._said())
            self._erase(self._street.owner(name), Taken(interaction=name))

    def _delete_a_time(self) -> None:
        """As `cloud-stub erase --since --until`, or --all."""
        now = self._now()
        spans = [self._chance.choice([3_000, 86_400, 40 * 86_400]) for _ in range(2)]
        ends = sorted(now - timedelta(seconds=self._chance.randint(1, span)) for span in spans)
        since, until = self._chance.choice([None, ends[0]]), self._chance.choice([now, ends[1]])
        account = self._chance.choice(sorted(self._model.homes))
        self._erase(account, Taken(since=since, until=until, asked=until))

    def _erase(self, account: str, taken: Taken) -> None:
        now = self._now()
        self._street.note(f"{account} {taken}")
        since, until = (rfc3339(time) if time else None for time in (taken.since, taken.until))
        scope = Scope(new_id(), account, rfc3339(taken.asked or now), taken.interaction, since, until)
        self._street.house.engine.erase([scope])
        self._model.delete(account, taken, now)

    def _delete_by_voice(self) -> None:
        text = self._chance.choice([LAST, TODAY, EVERYTHING])
        name = self._street.speak(text)
        account, at = self._street.owner(name), self._street.said_at(name)
        allowed = self._model.homes[account].settings["delete_by_voice"] == "yes"
        listened = allowed and self._street.welcome(name, "interaction")
        last = self._model.last(account, name, self._street.device(name), at)
        self._street.deliver([name], stored=not allowed)
        if not listened:
            return
        now, until = self._now(), datetime.fromisoformat(at)
        self._model.delete(account, Taken(interaction=name), now)
        if text == LAST and last is not None:
            self._model.delete(account, Taken(interaction=last), now)
        elif text != LAST:
            midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
            self._model.delete(account, Taken(since=midnight if text == TODAY else None, until=until, asked=now), now)

    def _change_setting(self) -> None:
        """As `cloud-stub settings` changes it, or a device's message."""
        name, value, _ = self._chance.choice(CHANGES)
        device = self._chance.choice(sorted(self._street.owners))
        account, now = self._street.owners[device], self._now()
        home = self._model.homes[account]
        self._street.note(f"{account} {name}={value}")
        if self._chance.random() < 0.5:
            wish = Setting(id=new_id(now), at=now, setting=name, value=value)
            self._wishes.append(Incoming(event_topic(device, "setting"), encode(wish)))
            self._street.ingest.handle([self._wishes[-1]])
        elif home.closed is None and home.known:
            with self._street.house.stores.write() as connection:
                self._street.house.engine.change_setting(connection, account, name, value)
        else:
            return
        if home.closed is None and (home.known or account == accounts.DEFAULT):
            self._model.change_setting(account, name, value, now)

    def _change_setting_by_voice(self) -> None:
        setting, value, words = self._chance.choice([change for change in CHANGES if change[2]])
        name = self._street.speak(words)
        if self._street.welcome(name, "interaction"):
            # Before the request is stored: it holds for the request itself.
            self._model.change_setting(self._street.owner(name), setting, value, self._now())
        self._street.deliver([name])

    def _setting_again(self) -> None:
        """A setting's event that was answered arrives again, and changes nothing."""
        if self._wishes:
            self._street.ingest.handle([self._chance.choice(self._wishes)])

    def _forget(self) -> None:
        """ "Forget that": the newest fact, which is the household's own to drop."""
        name = self._street.speak("forget that")
        if self._street.welcome(name, "interaction"):
            self._model.forget(self._street.owner(name))
        self._street.deliver([name])

    def _post(self) -> None:
        """Third parties get what is on its way to them, and answer, or do not."""
        self._street.postman.round(self._street.house, self._street.ingest)

    def _notice(self) -> None:
        """A third party asks to delete an interaction with what came of it, be it one that it has no part in."""
        partner_of = {kind: name for name, kind in THIRD_PARTIES.items()}
        ordered = [record for record in self._model.records if record.key[1] in partner_of]
        if not ordered:
            return
        record = self._chance.choice(ordered)
        partner = self._chance.choice([partner_of[record.key[1]], "ride"])
        self._street.note(f"{partner} {record.interaction}")
        notice = PartnerNotice(partner=partner, account=record.account, interaction=record.interaction)
        self._street.ingest.handle([Incoming(partner_topic(partner, "notice"), encode(notice))])
        if partner == partner_of[record.key[1]] and record in self._model.reachable(record.account):
            taken = Taken(interaction=record.interaction)
            self._model.delete(record.account, taken, self._now(), "third_party_request")

    def _close(self) -> None:
        account = self._chance.choice(sorted(self._model.homes))
        home = self._model.homes[account]
        if home.closed is None and home.known:
            self._street.note(account)
            keys = self._street.house.keys
            before = keys.pseudonym(account, "")
            self._street.house.engine.close_account(account)
            self._model.close(account, self._now())
            assert (keys.pseudonym(account, "") != before) == home.unnamed, "the ledger's rows point to somebody"

    def _days_pass(self) -> None:
        days = self._chance.choice([1, 3, 3, 8, 8, 20, 35])
        self._street.note(days)
        self._street.wait(timedelta(days=days, seconds=self._chance.randint(0, 80_000)))
        # A running cloud does at once what is due; one that was down does not.
        if self._chance.random() < 0.7:
            self.sweep()

    def _said(self) -> list[str]:
        """In the order in which it was said."""
        return list(self._street.said)
