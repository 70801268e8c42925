"""`cloud-stub`: serve, and look into what is stored. Every command takes `--data`; tables come as `--json` too."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloud_stub.contract import address
from cloud_stub.errors import CloudError

# Libraries are imported by the command that needs them: `--help` should not wait for a database layer.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 1 where something unexplained is left, 2 for an error one can mend."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except CloudError as error:
        print(f"cloud-stub: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloud-stub", description="The cloud behind an emulated smart speaker.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, metavar="DIR", help="the data folder (default: the user's own)")
    data.add_argument("--policy", metavar="NAME|FILE", help="a shipped policy or a file (default: the folder's own)")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON and nothing else on standard output")
    account = argparse.ArgumentParser(add_help=False)
    account.add_argument("account", nargs="?", default="household", help="whose (default: household)")

    serve = commands.add_parser("serve", parents=[data, as_json], help="take messages from a broker and store them")
    serve.set_defaults(command=_serve)
    serve.add_argument("--broker", default=address.DEFAULT, metavar="URL", help=f"default: {address.DEFAULT}")
    serve.add_argument("--embedded-broker", action="store_true", help="start a broker on 127.0.0.1; needs no other")
    serve.add_argument("--port", type=int, default=1883, help="of the embedded broker; 0 for any free one")
    serve.add_argument("--training-share", type=float, default=0.1, metavar="SHARE", help="0 to 1 (default 0.1)")
    serve.add_argument("--time-zone", metavar="ZONE", help="the household's, such as Europe/Berlin (default: system's)")

    history = commands.add_parser("history", parents=[account, data, as_json], help="the household's voice history")
    history.set_defaults(command=_history)

    left = commands.add_parser("left", parents=[account, data, as_json], help="what is left, and under which rule")
    left.set_defaults(command=_left)

    erase = commands.add_parser("erase", parents=[account, data, as_json], help="delete as the household would")
    erase.set_defaults(command=_erase)
    erase.add_argument("--interaction", metavar="ID", help="delete one interaction")
    erase.add_argument("--since", type=_time, metavar="TIME", help="from then on (RFC 3339, or a date)")
    erase.add_argument("--until", type=_time, metavar="TIME", help="up to then")
    erase.add_argument("--all", action="store_true", help="delete everything said so far")
    erase.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")

    policy = commands.add_parser("policy", help="check a policy file, or list those that ship")
    actions = policy.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="say every hole and conflict; exit code 2 if there is one")
    check.set_defaults(command=_policy_check)
    check.add_argument("policy", metavar="NAME|FILE")
    actions.add_parser("list", help="the policies that ship").set_defaults(command=_policy_list)

    ledger = commands.add_parser("ledger", help="verify the ledger")
    steps = ledger.add_subparsers(required=True, metavar="ACTION")
    verify = steps.add_parser("verify", parents=[data], help="check the chain; exit code 1 if it is broken")
    verify.set_defaults(command=_ledger_verify)

    status = commands.add_parser("status", parents=[data, as_json], help="counts: stored, waiting, quarantined")
    status.set_defaults(command=_status)
    return parser


def _serve(options: argparse.Namespace) -> int:
    import logging  # noqa: PLC0415

    from cloud_stub import serve  # noqa: PLC0415
    from cloud_stub.house import open_house  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    zone = _zone(options.time_zone)
    share = options.training_share
    if not 0 <= share <= 1:
        raise CloudError(f"--training-share {share} is no share. Give a number from 0 to 1.")
    data = _data(options)
    with serve.lock(data), open_house(data, options.policy, create=True) as house:
        embedded = None
        if options.embedded_broker:
            from cloud_stub.broker import EmbeddedBroker  # noqa: PLC0415

            embedded = EmbeddedBroker(options.port)
        where = embedded.address if embedded else _address(options.broker)
        server = serve.Server(house, where, zone, share)
        ready = {"ready": True, "broker": str(where), "data": str(data), "policy": house.policy.name}
        if options.json:
            print(json.dumps(ready), flush=True)
        else:
            print(f"cloud-stub serves {where}\n  data    {data}\n  policy  {house.policy.name}: {house.policy.title}")
            print("  stop with Ctrl-C", flush=True)
        serve.run_until_signalled(server)
        if embedded:
            embedded.stop()
    return 0


def _history(options: argparse.Namespace) -> int:
    from cloud_stub.house import open_house  # noqa: PLC0415
    from cloud_stub.voice_history import history  # noqa: PLC0415

    with open_house(_data(options), options.policy) as house, house.stores.read() as connection:
        rows = history(connection, options.account)
    if options.json:
        _print_json(rows)
    elif not rows:
        print(f"no voice history of {options.account}")
    for row in [] if options.json else rows:
        sound = f"{row['recording']} bytes of sound" if row["recording"] else "no recording"
        print(f"{row['at']}  {row['device']}  {row['id']}  ({sound})")
        print(f"    said      {row['transcript']}\n    answered  {row['response']}")
    return 0


def _left(options: argparse.Namespace) -> int:
    from cloud_stub.house import open_house  # noqa: PLC0415
    from cloud_stub.residue.left import left  # noqa: PLC0415

    data = _data(options)
    with open_house(data, options.policy) as house, house.stores.read() as connection:
        rows = left(connection, house.keys, house.policy, options.account, house.clock.now(), data)
        name = house.policy.name
    unexplained = sum(row.rule is None for row in rows)
    if options.json:
        from dataclasses import asdict  # noqa: PLC0415

        report = {"account": options.account, "policy": name, "left": [asdict(row) for row in rows]}
        _print_json(report | {"unexplained": unexplained})
    else:
        from cloud_stub.residue.table import print_left  # noqa: PLC0415

        print_left(rows, options.account, name)
    return 1 if unexplained else 0


def _erase(options: argparse.Namespace) -> int:
    from cloud_stub.contract.messages import new_id, rfc3339  # noqa: PLC0415
    from cloud_stub.house import open_house  # noqa: PLC0415
    from cloud_stub.retention.scopes import Scope  # noqa: PLC0415

    ranged = options.since is not None or options.until is not None
    if (options.interaction is not None) + ranged + options.all != 1:
        raise CloudError("say what to erase: --interaction ID, or --since TIME and/or --until TIME, or --all.")
    with open_house(_data(options), options.policy) as house:
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
        cite = house.policy.cite
        plan: list[dict[str, Any]] = [
            {
                "store": step.store,
                "kind": step.kind,
                "records": step.records,
                "action": str(step.rule),
                "rule": cite(step.rule, "user_delete"),
                "clause": step.rule.because,
            }
            for step in steps
        ]
    if options.json:
        _print_json(
            {"account": options.account, "policy": house.policy.name, "done": not options.dry_run, "plan": plan}
        )
        return 0
    print("would do:" if options.dry_run else "done:", "" if plan else "nothing matched")
    for line in plan:
        print(f"  {line['store']}/{line['kind']}: {line['records']} record(s), {line['action']} ({line['rule']})")
    return 0


def _policy_check(options: argparse.Namespace) -> int:
    from cloud_stub.retention import policy  # noqa: PLC0415

    loaded = policy.load(options.policy)
    print(f"{loaded.name}: {len(loaded.rules)} rules, every case has exactly one")
    return 0


def _policy_list(_options: argparse.Namespace) -> int:
    from cloud_stub.retention import policy  # noqa: PLC0415

    for name in policy.names():
        print(f"{name:28}{policy.load(name).title}")
    return 0


def _ledger_verify(options: argparse.Namespace) -> int:
    from cloud_stub.house import open_house  # noqa: PLC0415
    from cloud_stub.retention import ledger  # noqa: PLC0415

    with open_house(_data(options), None) as house, house.stores.read() as connection:
        breaks = list(ledger.verify(connection))
    print("\n".join(breaks) or "the chain is whole; whoever could rewrite all of it could hide that")
    return 1 if breaks else 0


def _status(options: argparse.Namespace) -> int:
    from cloud_stub.house import open_house  # noqa: PLC0415
    from cloud_stub.status import status  # noqa: PLC0415

    with open_house(_data(options), options.policy) as house, house.stores.read() as connection:
        counts = status(connection)
    if options.json:
        _print_json(counts)
    else:
        for name, number in counts.items():
            print(f"{name:14}{number}")
    return 0


def _data(options: argparse.Namespace) -> Path:
    if options.data is not None:
        return Path(options.data)
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_data_path("residual-echo", appauthor=False)


def _address(url: str) -> address.BrokerAddress:
    try:
        return address.BrokerAddress.parse(url)
    except ValueError as error:
        raise CloudError(str(error)) from error


def _zone(name: str | None) -> Any:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

    import tzlocal  # noqa: PLC0415

    try:
        return ZoneInfo(name or tzlocal.get_localzone_name() or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CloudError(f"no time zone {name!r}. Give one like Europe/Berlin with --time-zone.") from error


def _time(text: str) -> datetime:
    """An RFC 3339 time; without a zone it is local, as the person at the keyboard means it."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time. Write 2026-11-23T10:00:00Z or 2026-11-23.") from error


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
