"""`python -m device.model_building`: makes a model from its recipe, or goes on where it was interrupted."""

import argparse
import os
import sys
import time
from pathlib import Path

from device import speech_models
from device.errors import EchoError
from device.model_building import card, recipe
from device.model_building.build import Place, build
from device.model_building.evaluate import measure
from device.model_building.model_folder import sentences, templates


def main() -> int:
    """Returns the exit code: 0, or 2 for an error that the person can mend."""
    parser = argparse.ArgumentParser(prog="python -m device.model_building", description=__doc__)
    parser.add_argument("--recipe", type=Path, default=recipe.DEFAULT, metavar="FILE")
    parser.add_argument(
        "--work", type=Path, default=Path("build/model"), metavar="DIR", help="what is kept between runs"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the model (default: its name, in the work folder)")
    parser.add_argument("--templates", type=Path, metavar="DIR", help="sentence templates (default: the speaker's own)")
    given = os.environ.get("RESIDUAL_ECHO_RECORDINGS")
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", default=Path(given) if given else None, help="people's recordings"
    )
    parser.add_argument(
        "--unheard", action="store_true", help="learn no sentence of a person: measures what an unheard voice gets"
    )
    options = parser.parse_args()
    began = time.monotonic()
    try:
        chosen = recipe.read(options.recipe)
        name = f"{chosen.name}-unheard" if options.unheard else chosen.name
        out = options.out or options.work / name
        place = Place(options.work, options.templates or templates(), options.recordings)
        learned = build(chosen, place, out, unheard=options.unheard)
        figures = []
        for each in measure(out, place.people, sentences(chosen, place.templates)):
            print(each, flush=True)
            figures.append(each)
        card.write(out, chosen, learned, figures, len(speech_models.words(out)), unheard=options.unheard)
    except EchoError as error:
        print(f"model_building: {error}", file=sys.stderr)
        return 2
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    print(f"{out}: {size:.2f} MB, after {(time.monotonic() - began) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
