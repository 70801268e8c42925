"""Commands on policies: check, list, show."""

import argparse

from cloud_stub.retention import explain, policy


def check(options: argparse.Namespace) -> int:
    """Say every hole and conflict (as an error, exit code 2), or that there is none."""
    loaded = policy.load(options.policy)
    based = f", all of {loaded.based_on}" if loaded.based_on else ""
    print(f"{loaded.name}: {len(loaded.rules)} rules{based}, every case has exactly one")
    return 0


def listed(_options: argparse.Namespace) -> int:
    """The policies that ship."""
    for name in policy.names():
        print(f"{name:24}{policy.load(name).title}")
    return 0


def show(options: argparse.Namespace) -> int:
    """A policy in plain words."""
    print("\n".join(explain.explain(policy.load(options.policy))))
    return 0
