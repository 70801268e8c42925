"""Killed after a deletion's commit, before the bytes that it leaves are cleaned away: the next to open it does so."""

import signal
import subprocess
import sys
from pathlib import Path

from cloud_stub.third_parties.partner import Skill
from tests.byte_search import searched

#: A third party does much, is asked to delete it, and is killed where it would clean up.
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from cloud_stub.contract.messages import new_id
from cloud_stub.contract.partners import PartnerRequest
from cloud_stub.third_parties.partner import Skill
skill, name = Skill("ride", "honours", Path(sys.argv[1])), new_id()
def request(verb, **details):
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    return PartnerRequest(
        id=new_id(), verb=verb, account="household", interaction=name, at=at, details=details
    )
for number in range(100):
    skill.answer(request("perform", destination=f"zebra{number:016x}"))
skill._files.connection.set_trace_callback(
    lambda run: run.startswith("PRAGMA wal_checkpoint") and os.kill(os.getpid(), signal.SIGKILL)
)
skill.answer(request("delete"))
"""

MARKS = {f"zebra{number:016x}".encode() for number in range(100)}


def test_what_a_crash_left_of_what_a_third_party_deleted_is_gone_once_it_is_back(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert searched(tmp_path, MARKS), "the crash has left bytes to be cleaned away"
    skill = Skill("ride", "honours", tmp_path)
    assert searched(tmp_path, MARKS) == set()
    skill.close()
