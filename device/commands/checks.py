"""The commands that look at what is there: inputs with their levels, what a first start needs, what is wired."""

import argparse
import json
from dataclasses import asdict

from device import doctor as examination
from device import level_meter, panel, settings


def microphones(options: argparse.Namespace) -> int:
    """List the inputs, each with its level."""
    inputs = level_meter.listen(options.seconds, quiet=options.json)
    if options.json:
        print(json.dumps(inputs, indent=2))
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Check what a first start needs. Exit code 1 where something is amiss."""
    findings = []
    for finding in examination.examine(settings.chosen(options)):
        findings.append(finding)
        if not options.json:
            print(finding, flush=True)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    return 1 if any(finding.problem for finding in findings) else 0


def hardware(options: argparse.Namespace) -> int:
    """Try the panel. The package that drives it has that command: the device does not know what is wired."""
    code: int = panel.found(panel.COMMANDS, "hardware-check")(options)
    return code
