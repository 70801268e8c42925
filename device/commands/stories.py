"""`echo-device demo` and `walnut`: what is left of what was said, told as a story."""

import argparse
import json
import sys
from dataclasses import asdict

from device import demo as demo_story
from device import light_ring
from device import walnut as walnut_story
from device.errors import EchoError
from device.spoken_requests import FOLDER


def demo(options: argparse.Namespace) -> int:
    """Say it, delete it, see what stays. Exit code 1 where something stays without a rule."""
    story = demo_story.run(
        options.policy,
        options.data,
        options.model,
        real_time=options.real_time,
        sounds=options.sounds or FOLDER,
        tell=None if options.json else print,
        show=light_ring.shown(quiet=options.json or not sys.stderr.isatty()),
    )
    if options.json:
        print(json.dumps(asdict(story), indent=2, ensure_ascii=False))
    return 1 if story.unexplained else 0


def walnut(options: argparse.Namespace) -> int:
    """One sentence, and who still knows it. Exit code 1 where somebody does without a rule."""
    story = walnut_story.run(options.policy, options.model, lambda line: print(line, file=sys.stderr, flush=True))
    if options.svg is not None:
        try:
            options.svg.write_text(walnut_story.svg(story), "utf-8")
        except OSError as error:
            raise EchoError(
                f"the picture cannot be written to {options.svg}: {error}. Choose another place."
            ) from error
    print(json.dumps(asdict(story), indent=2) if options.json else "\n".join(walnut_story.lines(story)))
    return 1 if story.unexplained else 0
