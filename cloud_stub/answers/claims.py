"""Each sentence of the letter, and of the case that followed, put to the test on a house under the policy asked about.

A claim *holds* where the house does what the sentence says, *fails* where it does not, and *cannot be known from
outside* where nobody but a third party could say. Every verdict carries the evidence that it stands on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cloud_stub.answers import claim_tests as tests
from cloud_stub.answers.claim_tests import Verdict


@dataclass(frozen=True)
class Claim:
    """One sentence: its number in the sources, what it says in short, and its test (policy to verdict, evidence)."""

    number: str
    says: str
    test: Callable[[str], tuple[Verdict, str]]


@dataclass(frozen=True)
class Finding:
    """What came of a claim, as `--json` prints it."""

    claim: str
    says: str
    verdict: Verdict
    evidence: str


def put(policy: str, told: Callable[[str], None] = lambda _: None) -> Iterator[Finding]:
    """Every claim put to that policy. Raises CloudError for a policy that does not load."""
    for claim in CLAIMS:
        told(claim.number)
        verdict, evidence = claim.test(policy)
        yield Finding(claim.number, claim.says, verdict, evidence)


#: L1 to L12 and F1 to F3 (README, "Where the clauses come from"), in their order.
CLAIMS = (
    Claim("L1", "Recordings and transcripts are retained until the customer chooses to delete them.", tests.l1),
    Claim("L2", "Deleting a recording deletes the transcripts of request and response.", tests.l2),
    Claim("L3", "Primary storage is clean at once, other storage systems after an ongoing effort.", tests.l3),
    Claim("L4", "The audio of the response is not stored.", tests.l4),
    Claim("L5", "Records of actions taken are still retained.", tests.l5),
    Claim("L6", "A skill developer may also retain records of the interaction.", tests.l6),
    Claim("L7", "A record of each of five kinds of transaction is kept.", tests.l7),
    Claim("L8", "Alarms, reminders, meetings and messages outlive the recording.", tests.l8),
    Claim("L9", "Recordings and transcripts are used for training.", tests.l9),
    Claim("L10", "Customers see and hear their voice history, and delete one or all.", tests.l10),
    Claim("L11", "Recordings and transcripts are tied to the account.", tests.l11),
    Claim("L12", "It is possible that transcripts of deleted requests stay on some server.", tests.l12),
    Claim("F1", "Recordings were deleted while transcripts stayed in other databases.", tests.f1),
    Claim("F2", "Children's recordings had no end date.", tests.f2),
    Claim("F3", "Deleted means deleted everywhere, for training too, and a silent child's profile ends.", tests.f3),
)
