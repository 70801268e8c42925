"""Commands that change what is stored: erase, settings, register, close-account, advance."""

import argparse
import re
import sys
from dataclasses import asdict

from cloud_stub import accounts, wishes
from cloud_stub.commands.common import opened, print_json
from cloud_stub.contract.messages import DEVICE_PATTERN, ID_PATTERN, rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.retention import device_copies, receipt
from cloud_stub.retention.clock import SimulatedClock, keep_time
from cloud_stub.retention.rules import SETTINGS, Period
from cloud_stub.retention.scopes import Scope
from cloud_stub.wishes import Planned


def erase(options: argparse.Namespace) -> int:
    """Delete as the household would, or say what that would do."""
    ranged = options.since is not None or options.until is not None
    if (options.interaction is not None) + ranged + options.all != 1:
        raise CloudError("say what to erase: --interaction ID, or --since TIME and/or --until TIME, or --all.")
    if options.interaction is not None and not re.match(ID_PATTERN, options.interaction):
        raise CloudError(f"{options.interaction!r} is no interaction's id. See: cloud-stub history {options.account}")
    with opened(options) as house:
        scope = wishes.deletion(
            house, options.account, interaction=options.interaction, since=options.since, until=options.until
        )
        steps = wishes.plan(house, scope)
        if not options.dry_run:
            house.engine.erase([scope])
        _report(options, house, steps, scope)
    return 0


def close_account(options: argparse.Namespace) -> int:
    """Close an account for good."""
    with opened(options) as house:
        scope = wishes.closing(house, options.account)
        steps = wishes.plan(house, scope)
        if not steps or not options.dry_run:
            scope = wishes.close_account(house, options.account)
        _report(options, house, steps, scope)
    return 0


def settings(options: argparse.Namespace) -> int:
    """Show a household's settings, or change one."""
    name, value = options.name, options.value
    with opened(options) as house:
        if name is not None and value is None:
            raise CloudError(f"say what {name} should be: {', '.join(SETTINGS.get(name, ('yes', 'no')))}.")
        if name is not None:
            wishes.change_setting(house, options.account, name, value)
        shown = wishes.settings(house, options.account)
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
            owners = accounts.owners(connection, options.device)
            for name in options.device:
                if not re.match(DEVICE_PATTERN, name) or name not in owners:
                    raise CloudError(f"{name!r} is no device here. Register it: cloud-stub register NAME")
            named = [(account, name) for name, account in owners.items()]
            told = device_copies.tell_time(connection, house.keys.seal, house.clock.shown(), *named)
        swept = wishes.sweeper(house).sweep()
        now = rfc3339(house.clock.now())
    if options.json:
        print_json({"now": now, "swept": swept, "told": told})
    else:
        print(f"it is {now}; {swept} records fell due")
    return 0


def _report(options: argparse.Namespace, house: House, steps: list[Planned], scope: Scope) -> None:
    """The plan, and whether it was carried out; the receipt where one was asked for."""
    if options.receipt and steps and not options.dry_run:
        from cloud_stub.commands.receipts import write  # noqa: PLC0415

        with house.stores.read() as connection:
            write(receipt.make(connection, house.keys, house.policy, scope.id), options.receipt)
    if options.json:
        done = {"account": options.account, "policy": house.policy.name, "done": not options.dry_run}
        print_json(done | {"deletion": scope.id, "plan": [asdict(step) for step in steps]})
        return
    print("would do:" if options.dry_run else "done:", "" if steps else "nothing matched")
    for step in steps:
        due = f", due {step.due[:10]}" if step.due else ""
        print(f"  {step.store}/{step.kind}: {step.records} record(s), {step.action}{due} ({step.rule})")
