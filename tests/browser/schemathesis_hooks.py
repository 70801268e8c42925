"""What schemathesis is told about the page: what exists in it, and not to follow it anywhere."""

import os
import re
from typing import Any

import schemathesis

from cloud_stub.contract.messages import ID_PATTERN


@schemathesis.hook
def before_call(_context: object, case: Any, kwargs: dict[str, Any]) -> None:
    """Look at the answer itself; and where a valid name was made up, often take one that exists."""
    kwargs["allow_redirects"] = False
    given = case.path_parameters or {}
    for name, there in (("interaction", os.environ["INTERACTION"]), ("deletion", os.environ["DELETION"])):
        if re.match(ID_PATTERN, str(given.get(name, ""))):
            given[name] = there
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", str(given.get("device", ""))):
        given["device"] = "kitchen"
