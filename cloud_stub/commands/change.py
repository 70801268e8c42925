"""Commands that change what is stored: erase, settings, register, close-account, advance."""

import argparse
import re
import sys
from typing import Any

from cloud_stub import accounts
from cloud_stub.commands.common import opened, print_json
from cloud_stub.contract.messages import ID_PATTERN, new_id, rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.retention import device_copies, household, receipt
from cloud_stub.retention.clock import SimulatedClock, keep_time
from cloud_stub.retention.engine import Step
from cloud_stub.retention.rules import SETTINGS, Period
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper


def erase(options: argparse.Namespace) -> int:
    """Delete as the household would, or say what that would do."""
    ranged = options.since is not None or options.until is not None
    if (options.interaction is not None) + ranged + options.all != 1:
        raise CloudError("say what to erase: --interaction ID, or --since TIME and/or --until TIME, or --all.")
    if options.interaction is not None and not re.match(ID_PATTERN, options.interaction):
        raise CloudError(f"{options.interaction!r} is no interaction's id. See: cloud-stub history {options.account}")
    with opened(options) as house:
        now = house.clock.now()
        scope = Scope(
            id=new_id(),
            account=options.account,
            requested_at=rfc3339(min(now, options.until or now)),
            interaction=options.interaction,
            since=rfc3339(options.since) if options.since else None,
            until=None if options.interaction else rfc3339(options.until or now),
        )
        with house.stores.read() as connection:
            steps = house.engine.plan(connection, scope)
        if not options.dry_run:
            house.engine.erase([scope])
        _report(options, house, steps, scope)
    return 0


def close_account(options: argparse.Namespace) -> int:
    """Close an account for good."""
    with opened(options) as house:
        now = rfc3339(house.clock.now())
        scope = Scope(new_id(), options.account, now, until=now, trigger="account_closed")
        with house.stores.read() as connection:
            steps = house.engine.plan(connection, scope)
        if not steps:
            raise CloudError(f"there is no account {options.account!r}, and nothing of it.")
        if not options.dry_run:
            scope = house.engine.close_account(options.account)
        _report(options, house, steps, scope)
    return 0


def settings(options: argparse.Namespace) -> int:
    """Show a household's settings, or change one."""
    name, value = options.name, options.value
    with opened(options) as house:
        if name is not None and value is None:
            raise CloudError(f"say what {name} should be: {', '.join(SETTINGS.get(name, ('yes', 'no')))}.")
        if name is not None:
            with house.stores.write() as connection:
                house.engine.change_setting(connection, options.account, name, value)
            _sweeper(house).sweep()
            house.stores.checkpoint()
        with house.stores.read() as connection:
            own = household.of(connection, house.policy, options.account)
    shown = household.words(own)
    if options.json:
        print_json(shown)
    else:
        for key, known in shown.items():
            print(f"{key:22}{known:8}(of {', '.join(SETTINGS[key])})")
    return 0


def register(options: argparse.Namespace) -> int:
    """Give a device to an account, or many, all or none, to the accounts that standard input names."""
    if options.device == "-":
        pairs = [_pair(line) for line in sys.stdin.read().splitlines() if line.strip()]
    elif options.account is None:
        raise CloudError(f"whose is it? Write: cloud-stub register {options.device} --account NAME")
    else:
        pairs = [(options.device, options.account)]
    with opened(options, create=True) as house, house.stores.write() as connection:
        for device, account in pairs:
            accounts.register(connection, house.clock, device, account, child=options.child)
    said = f"{pairs[0][0]} belongs to {pairs[0][1]}" if len(pairs) == 1 else f"{len(pairs)} devices are registered"
    print(f"{said}; from now on only registered devices are listened to")
    return 0


def _pair(line: str) -> tuple[str, str]:
    match line.split():
        case [device, account]:
            return device, account
    raise CloudError(f"{line[:100]!r} does not name a device and an account. Write: kitchen alice")


def advance(options: argparse.Namespace) -> int:
    """Set the simulated clock forward, and do what falls due."""
    try:
        period = Period(options.period)
    except ValueError as error:
        raise CloudError(f"{error}. Write P18M, P30D or PT1H.") from error
    with opened(options) as house:
        if not isinstance(house.clock, SimulatedClock):
            raise CloudError(
                "this folder lives in the machine's time. Start it with: cloud-stub serve --simulated-clock"
            )
        house.clock.forward(period.since(house.clock.now()))
        with house.stores.write() as connection:
            keep_time(connection, house.clock.shown())
            device_copies.tell_time(connection, house.keys.seal, house.clock.shown())
        swept = _sweeper(house).sweep()
        now = rfc3339(house.clock.now())
    if options.json:
        print_json({"now": now, "swept": swept})
    else:
        print(f"it is {now}; {swept} records fell due")
    return 0


def _sweeper(house: House) -> Sweeper:
    return Sweeper(house.stores, house.keys, house.engine, house.clock)


def _report(options: argparse.Namespace, house: House, steps: list[Step], scope: Scope) -> None:
    """The plan, and whether it was carried out; the receipt where one was asked for."""
    plan: list[dict[str, Any]] = [
        {
            "store": step.store,
            "kind": step.kind,
            "records": step.records,
            "action": str(step.rule),
            "due": step.due,
            "rule": house.engine.cite(step),
            "clause": step.rule.because,
        }
        for step in steps
    ]
    if options.receipt and steps and not options.dry_run:
        from cloud_stub.commands.receipts import write  # noqa: PLC0415

        with house.stores.read() as connection:
            write(receipt.make(connection, house.keys, house.policy, scope.id), options.receipt)
    if options.json:
        done = {"account": options.account, "policy": house.policy.name, "done": not options.dry_run}
        print_json(done | {"deletion": scope.id, "plan": plan})
        return
    print("would do:" if options.dry_run else "done:", "" if plan else "nothing matched")
    for line in plan:
        due = f", due {line['due'][:10]}" if line["due"] else ""
        print(f"  {line['store']}/{line['kind']}: {line['records']} record(s), {line['action']}{due} ({line['rule']})")
