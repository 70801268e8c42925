"""Commands on backups: backup, backup list, restore."""

import argparse

import msgspec

from cloud_stub import restoring, serve
from cloud_stub.backing_up import back_up
from cloud_stub.commands.common import data_folder, print_json
from cloud_stub.errors import CloudError
from cloud_stub.house import open_house
from cloud_stub.stores import backups
from cloud_stub.stores.backups import Backup


def backup(options: argparse.Namespace) -> int:
    """Make a backup, or list those that there are."""
    data = data_folder(options)
    with open_house(data, options.policy) as house:
        made = backups.listed(house.stores.folder) if options.action == "list" else [back_up(house)]
    if options.json:
        print_json(msgspec.to_builtins(made if options.action == "list" else made[0]))
        return 0
    for one in made:
        print(_line(one))
    if not made:
        print("there is no backup yet")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Bring back what the stores have lost, and nothing that was deleted since."""
    data = data_folder(options)
    if not (data / "cloud").is_dir():
        raise CloudError(f"nothing is stored in {data}, not even backups. Give the folder with --data.")
    with serve.lock(data), open_house(data, options.policy) as house:
        done = restoring.restore(house, options.name)
    came_back = {place: number for place, number in done.records.items() if number}
    if options.json:
        print_json({"backup": done.backup.name, "records": came_back, "again": done.again})
        return 0
    print(_line(done.backup))
    for place, number in came_back.items():
        print(f"  {place}: {number} record(s) came back")
    if not came_back:
        print("  nothing was missing")
    if done.again:
        print(f"  {done.again} deletion(s) since then were carried out again")
    return 0


def _line(one: Backup) -> str:
    sealed = "sealed" if one.sealed else "not sealed"
    return f"{one.name}  {one.policy}, {sealed}, {sum(one.bytes.values())} bytes"
