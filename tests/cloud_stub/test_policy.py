"""A policy decides every case once, stands on words that were really said, and where it is broken says where."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.errors import CloudError
from cloud_stub.retention import policy
from cloud_stub.retention.explain import explain
from cloud_stub.retention.policy import BrokenPolicy, Period, Policy
from cloud_stub.stores import tables
from tests.cloud_stub.policies import policy_text
from tests.processes import cloud_stub

TRIGGERS = ("user_delete", "age", "inactive", "account_closed", "setting_changed", "third_party_request")
CASES = {(store, kind, trigger) for store, kind in tables.kinds() for trigger in TRIGGERS}

#: What the letter of 28 June 2019 says, as quoted in the press; L8 ends with the article's own reading of it.
LETTER = {
    "L1": ["We retain customers' voice recordings and transcripts until the customer chooses to delete them."],
    "L2": [
        "When a customer deletes a voice recording, we delete the transcripts associated with the customer's account "
        "of both of the customer's request and Alexa's response."
    ],
    "L3": [
        "We already delete those transcripts from all of Alexa's primary storage systems, and we have an ongoing "
        "effort to ensure those transcripts do not remain in any of Alexa's other storage systems."
    ],
    "L4": ["We do not store the audio of Alexa's response."],
    "L5": [
        "we may still retain other records of customers' Alexa interactions, including records of actions Alexa took "
        "in response to the customer's request"
    ],
    "L6": [
        "when a customer interacts with an Alexa skill, that skill developer may also retain records of the interaction"
    ],
    "L7": [
        "when a customer subscribes to Amazon Music Unlimited, places an Amazon Fresh order, requests a car from Uber "
        "or Lyft, orders a pizza from Domino's, or makes an in-skill purchase of premium digital content",
        "Amazon and/or the applicable skill developer obviously need to keep a record of the transaction",
    ],
    "L8": [
        "setting a recurring alarm, asking Alexa to remind you of your anniversary, placing a meeting on your "
        "calendar, sending a message to a friend — customers would not want or expect deletion of the voice recording "
        "to delete the underlying data or prevent Alexa from performing the requested task",
        "while you could delete the content of your message to a friend, data such as who you sent it to and when you "
        "sent it would remain",
    ],
    "L9": [
        "To work well, machine learning systems need to be trained using real world data",
        "Training Alexa with voice recordings and transcripts from a diverse range of customers helps ensure Alexa "
        "works well for everyone.",
    ],
}


def text_of(name: str) -> str:
    return (policy.SHIPPED / f"{name}.toml").read_text("utf-8")


AMAZON = text_of("amazon-2019")

#: (policy, rule number) of every rule that ships; a policy based on another has none of its own.
RULES = [
    (loaded.name, rule.number)
    for loaded in map(policy.load, policy.names())
    for rule in loaded.rules
    if not loaded.based_on
]


def blocks(text: str) -> list[str]:
    """The head of a policy's text, then each rule's."""
    return re.split(r"(?m)^(?=\[\[rule\]\])", text)


def without(text: str, number: int) -> str:
    parts = blocks(text)
    return "".join(parts[:number] + parts[number + 1 :])


def problems(text: str) -> list[str]:
    with pytest.raises(BrokenPolicy) as broken:
        policy.parse(text, "mine.toml")
    assert str(broken.value) == "\n".join(broken.value.problems)
    return broken.value.problems


def test_the_policies_that_ship_are_found_by_name() -> None:
    assert {"amazon-2019", "erase-everything"} <= set(policy.names())


@pytest.mark.parametrize("name", policy.names())
def test_every_shipped_policy_decides_every_case_exactly_once(name: str) -> None:
    loaded = policy.load(name)
    decided = [case for rule in loaded.rules for case in rule.cases()]
    assert len(decided) == len(set(decided))
    assert set(decided) == CASES
    for rule in loaded.rules:
        for store, kind, trigger in rule.cases():
            assert loaded.rule(store, kind, trigger) is rule  # type: ignore[arg-type]


@pytest.mark.parametrize("name", policy.names())
def test_a_shipped_policy_bears_its_files_name_and_a_title(name: str) -> None:
    loaded = policy.load(name)
    assert loaded.name == name
    assert loaded.title


@pytest.mark.parametrize("name", policy.names())
def test_every_rule_knows_the_line_it_begins_in(name: str) -> None:
    lines = text_of(policy.load(name).based_on or name).splitlines()
    assert [lines[rule.line - 1] for rule in policy.load(name).rules] == ["[[rule]]"] * lines.count("[[rule]]")


@pytest.mark.parametrize(("name", "number"), RULES)
def test_every_quotation_of_the_letter_is_the_letters_own_words(name: str, number: int) -> None:
    rule = policy.load(name).rules[number - 1]
    said = LETTER.get(rule.source, [])
    assert rule.assumed or not rule.source.startswith("L") or any(rule.because in quotation for quotation in said)


def test_what_the_letter_says_is_quoted_and_not_assumed() -> None:
    quoted = {rule.source for rule in policy.load("amazon-2019").rules if not rule.assumed}
    assert quoted == {"L1", "L2", "L5", "L6", "L7", "L8"}


@pytest.mark.parametrize(
    ("store", "kind", "action"),
    [
        ("primary", "recording", "erase"),
        ("primary", "transcript", "erase"),
        ("primary", "response", "erase"),
        ("subsystems", "transcript", "erase after P30D"),
        ("actions", "alarm", "keep"),
        ("actions", "message", "redact text"),
        ("commerce", "pizza", "keep"),
        ("training", "recording", "keep"),
        ("third_parties/pizza", "pizza", "keep"),
    ],
)
def test_under_the_letter_a_deletion_does_this(store: str, kind: str, action: str) -> None:
    assert str(policy.load("amazon-2019").rule(store, kind, "user_delete")) == action


@pytest.mark.parametrize("partner", ["ride", "pizza", "quiz"])
def test_where_everything_is_erased_a_third_party_is_asked(partner: str) -> None:
    loaded = policy.load("erase-everything")
    rule = loaded.rule(f"third_parties/{partner}", tables.THIRD_PARTIES[partner], "user_delete")
    assert (str(rule), rule.to) == (f"ask {partner}", partner)


def test_a_rule_is_cited_by_policy_number_trigger_action_and_source() -> None:
    loaded = policy.load("amazon-2019")
    cited = [loaded.cite(loaded.rules[number - 1], "user_delete") for number in (1, 2, 4)]
    assert cited == [
        "amazon-2019 rule 1 (user_delete: erase; L2)",
        "amazon-2019 rule 2 (user_delete: erase after P30D; L3, assumed)",
        "amazon-2019 rule 4 (user_delete: redact text; L8)",
    ]
    assert loaded.cite(loaded.rules[-1], "account_closed").endswith("(account_closed: pseudonymise; assumed)")


@pytest.mark.parametrize(("name", "number"), RULES)
def test_taking_any_rule_out_names_every_hole_that_it_leaves(name: str, number: int) -> None:
    text = without(text_of(name), number)
    last = len(text.rstrip("\n").split("\n"))
    holes = {
        f'mine.toml:{last}: no rule for store "{store}", kind "{kind}", trigger "{trigger}". '
        "Add one, or add it to a rule's lists."
        for store, kind, trigger in policy.load(name).rules[number - 1].cases()
    }
    assert set(problems(text)) == holes


@pytest.mark.parametrize(("name", "number"), RULES)
def test_deciding_any_case_twice_names_both_lines(name: str, number: int) -> None:
    text = text_of(name)
    rule = policy.load(name).rules[number - 1]
    again = len(policy.load(name).rules) + 1
    line = text.count("\n") + 1
    conflicts = {
        f'mine.toml:{line}: rule {again} decides store "{store}", kind "{kind}", trigger "{trigger}" again: '
        f"rule {number} in line {rule.line} does already. Take it out of one."
        for store, kind, trigger in rule.cases()
    }
    assert set(problems(text + blocks(text)[number])) == conflicts


@pytest.mark.parametrize(("name", "number"), [("amazon-2019", 4), ("erase-everything", 2)])
def test_checking_a_file_with_a_hole_fails_and_names_file_line_and_case(tmp_path: Path, name: str, number: int) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(without(text_of(name), number), "utf-8")
    last = len(file.read_text("utf-8").rstrip("\n").split("\n"))
    done = cloud_stub("policy", "check", file)
    store, kind, trigger = next(policy.load(name).rules[number - 1].cases())
    assert done.returncode == 2
    assert f'{file}:{last}: no rule for store "{store}", kind "{kind}", trigger "{trigger}".' in done.stderr
    assert "Traceback" not in done.stderr


def test_checking_a_file_with_a_conflict_fails_and_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(AMAZON + blocks(AMAZON)[1], "utf-8")
    done = cloud_stub("policy", "check", file)
    assert done.returncode == 2
    assert f"{file}:{AMAZON.count(chr(10)) + 1}: rule 33 decides" in done.stderr
    assert "rule 1 in line 11 does already" in done.stderr


def test_checking_a_good_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(AMAZON, "utf-8")
    done = cloud_stub("policy", "check", file)
    assert (done.returncode, done.stdout) == (0, "amazon-2019: 32 rules, every case has exactly one\n")


@pytest.mark.parametrize("name", ["auto-delete-3-months", "auto-delete-18-months", "dont-save-recordings"])
def test_what_alexa_offered_later_is_the_letter_with_another_default(name: str) -> None:
    loaded, letter = policy.load(name), policy.load("amazon-2019")
    assert (loaded.based_on, loaded.rules) == ("amazon-2019", letter.rules)
    assert len(set(loaded.settings.items()) ^ set(letter.settings.items())) == 2


BASED = """name = "mine"
based_on = "amazon-2019"

[settings]
auto_delete = "P1Y"
"""


def test_a_policy_may_be_anothers_rules_with_settings_of_its_own() -> None:
    mine = policy.parse(BASED, "mine.toml")
    assert (mine.name, mine.based_on, mine.settings["auto_delete"]) == ("mine", "amazon-2019", "P1Y")
    assert mine.settings["save_recordings"] == "yes"


def test_the_base_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(BASED)
    (tmp_path / "mine.toml").write_text(BASED.replace("amazon-2019", "ours.toml").replace("P1Y", "never"))
    mine = policy.load(str(tmp_path / "mine.toml"))
    assert (len(mine.rules), mine.settings["auto_delete"]) == (len(policy.load("amazon-2019").rules), "never")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_policies_based_on_each_other_are_refused(tmp_path: Path, length: int) -> None:
    for number in range(length):
        text = BASED.replace("amazon-2019", f"policy{(number + 1) % length}.toml")
        (tmp_path / f"policy{number}.toml").write_text(text)
    done = cloud_stub("policy", "check", tmp_path / "policy0.toml")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "is based on this one in turn" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("amazon-2019", "nothing", "2: based_on: no policy 'nothing'"),
        ("amazon-2019", "/dev/zero", "2: based_on: no policy '/dev/zero': it has more than 1,000,000 bytes"),
        ("auto_delete", "autodelete", "5: no setting is called 'autodelete'. There are auto_delete"),
        ("P1Y", "sometimes", "5: auto_delete cannot be 'sometimes'. Choose of never, P3M, P18M"),
        ("[settings]", "[[rule]]", "2: a policy based on another takes all of its rules"),
    ],
)
def test_a_broken_base_or_setting_is_refused_with_the_line(old: str, new: str, wanted: str) -> None:
    assert any(f"mine.toml:{wanted}" in problem for problem in problems(BASED.replace(old, new)))


@pytest.mark.parametrize("trigger", ["age", "inactive"])
def test_what_time_erases_needs_a_time(trigger: str) -> None:
    rule = f'[[rule]]\nstore = "primary"\nkind = "recording"\ntrigger = "{trigger}"\naction = "erase"\n'
    text = AMAZON + rule + 'because = "we assume"\nassumed = true\n'
    assert any(f"{trigger} needs after: say how long" in problem for problem in problems(text))


def test_an_account_falls_silent_as_a_whole() -> None:
    text = text_of("ftc-2023").replace('after = "P90D"', 'after = "P91D"', 1)
    assert any("calls an account inactive after P90D" in problem for problem in problems(text))


@pytest.mark.parametrize("action", ["erase", "pseudonymise"])
def test_no_policy_promises_what_only_a_third_party_can_do(action: str) -> None:
    text = re.sub(r'(store = \["third_parties.*\n.*\n.*\n)action = "keep"', rf'\1action = "{action}"', AMAZON, count=1)
    assert any("promises too much of what a third party holds" in problem for problem in problems(text))


@pytest.mark.parametrize("name", policy.names())
def test_a_policy_in_plain_words_leaves_out_no_rule_and_no_clause(name: str) -> None:
    said = "\n".join(explain(policy.load(name)))
    for rule in policy.load(name).rules:
        assert rule.because in said
        assert said.count(f"(Rule {rule.number}, ") == len(rule.triggers)


#: What a rule may be broken by: (what stands in the file, what stands there instead, what the checker has to say).
#: Each is one edit of the letter's policy, in its first place.
BROKEN = {
    "unknown key of a rule": ('source = "L2"', 'sauce = "L2"', "unknown key 'sauce'. A rule has action, after"),
    "unknown key of the policy": (
        "sealed = false",
        "seeled = false",
        "unknown key 'seeled'. A policy has backups, based_on, name",
    ),
    "no name": ('name = "amazon-2019"', "", 'name is missing or not of lower-case letters.* Write name = "my-policy"'),
    "bad name": ('name = "amazon-2019"', 'name = "Amazon 2019"', 'name is missing or not .* Write name = "my-policy"'),
    "title no text": ('title = "', "title = 5 # ", 'title is no text. Write title = "What this policy is"'),
    "sealed no truth": ("sealed = false", 'sealed = "no"', "sealed is neither true nor false. Write sealed = false"),
    "unknown store": ('store = "primary"', 'store = "primry"', "store 'primry' does not exist. Choose of actions"),
    "unknown kind": ('"response"]', '"reply"]', "kind 'reply' does not exist. Choose of account, alarm"),
    "unknown trigger": ('"user_delete"', '"delete"', "trigger 'delete' does not exist. Choose of account_closed"),
    "unknown action": ('"erase"', '"shred"', "action 'shred' does not exist. Choose of erase, redact"),
    "two actions": ('"erase"', '["erase", "keep"]', r"action \['erase', 'keep'\] does not exist. Choose of erase"),
    "no store": ('store = "primary"\n', "", "store is missing. Write one name or a list of names: actions"),
    "no kind": ('kind = "transcript"\n', "", "kind is missing. Write one name or a list of names: account"),
    "no trigger": ('trigger = "user_delete"\n', "", "trigger is missing. Write one name or a list of names: account"),
    "no action": ('action = "erase"\n', "", "action None does not exist. Choose of erase"),
    "no kinds in the list": ('kind = "transcript"', "kind = []", "kind is missing. Write one name or a list of names"),
    "a number among kinds": ('"transcript", "response"', '5, "response"', "no name. Choose of account"),
    "kind not in the store": ('kind = "transcript"', 'kind = "alarm"', "'alarm' is in none of .* It is in actions"),
    "store without the kinds": (
        'store = "subsystems"',
        'store = ["subsystems", "ledger"]',
        "'ledger' has none of .* It has entry",
    ),
    "redact without fields": ('fields = ["text"]\n', "", 'fields goes with redact.* Write action = "redact" and'),
    "redact no fields": ('fields = ["text"]', "fields = []", 'fields goes with redact.* Write action = "redact" and'),
    "fields that are no names": ('fields = ["text"]', "fields = [5]", "fields goes with redact.* Write action"),
    "fields without redact": (
        'action = "redact"',
        'action = "keep"',
        'fields goes with redact.* Write action = "redact"',
    ),
    "unknown field": (
        'fields = ["text"]',
        'fields = ["content"]',
        "no field 'content'. It has recipient, sent_at, text",
    ),
    "a column that is no field": ('fields = ["text"]', 'fields = ["account"]', "no field 'account'. It has recipient"),
    "keep with after": ('action = "keep"', 'action = "keep"\nafter = "P1D"', "keep has no after: .* Take after away"),
    "after no period": ('"P30D"', '"30 days"', "after '30 days' is no ISO 8601 period. Write P30D, P3M or PT1H"),
    "after a number": ('"P30D"', "30", "after 30 is no ISO 8601 period. Write P30D"),
    "after less than a month": ('"P30D"', '"P0.5M"', "after 'P0.5M' is no ISO 8601 period. Write P30D"),
    "after an age of the world": ('"P30D"', '"P99999Y"', "after 'P99999Y' is no ISO 8601 period. Write P30D"),
    "after a negative period": ('"P30D"', '"P-30D"', "after 'P-30D' is no ISO 8601 period. Write P30D"),
    "ask without to": ('action = "keep"', 'action = "ask"', 'to goes with ask.* Write action = "ask" and to = "pizza"'),
    "to without ask": ('action = "keep"', 'action = "keep"\nto = "pizza"', "to goes with ask, and ask with to. Write"),
    "unknown third party": ('action = "keep"', 'action = "ask"\nto = "taxi"', "'taxi' does not exist. Choose of ride"),
    "two third parties": (
        'action = "keep"',
        'action = "ask"\nto = ["ride"]',
        r"\['ride'\] does not exist. Choose of ride",
    ),
    "no because": ('because = "When', '# because = "When', "because is missing. Quote the clause"),
    "empty because": ('because = "When', 'because = " " # "When', "because is missing. Quote the clause"),
    "because no text": ('because = "When', 'because = 5 # "When', "because is missing. Quote the clause"),
    "no source and not assumed": ('source = "L2"\n', "", 'names no source. Write source = "L2", or assumed = true'),
    "bad source": ('source = "L2"', 'source = "page 2"', "source 'page 2' names no fact. Write L1 to L12"),
    "a source beyond the letter": ('source = "L2"', 'source = "L13"', "source 'L13' names no fact. Write L1 to L12"),
    "source a list": ('source = "L2"', 'source = ["L2"]', r"source \['L2'\] names no fact. Write L1 to L12"),
    "assumed no truth": (
        'source = "L3"\nassumed = true',
        'source = "L3"\nassumed = "yes"',
        "assumed is neither true nor false. Write assumed = true",
    ),
    "not TOML": ('store = "primary"', "store = primary", "not TOML: .* Mend the line"),
    "a key twice": ('store = "primary"', 'store = "primary"\nstore = "training"', "not TOML: .* Mend the line"),
}


def first_line_with(text: str, piece: str) -> int:
    return text[: text.index(piece)].count("\n") + 1


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_policy_is_refused_with_the_line_and_a_remedy(fault: str) -> None:
    piece, instead, said = BROKEN[fault]
    text = AMAZON.replace(piece, instead, 1)
    changed = first_line_with(AMAZON, piece)
    found = [problem for problem in problems(text) if re.search(said, problem)]
    assert found, problems(text)
    reported = int(re.match(r"mine\.toml:(\d+): ", found[0])[1])  # type: ignore[index]
    # A rule's fault is reported where the rule begins, any other where it stands.
    starts = [rule.line for rule in policy.load("amazon-2019").rules if rule.line <= changed]
    begins = starts[-1] if starts else changed
    allowed = {begins} if ": rule " in found[0] else {1, changed, changed + 1}
    assert reported in allowed, found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'mine.toml:1: name is missing or not of lower-case letters, digits and dashes. Write name = "my-policy".'),
        (
            'name = "mine"\nrule = 1\n',
            "mine.toml:2: rule is no list. Write each rule under its own [[rule]] line.",
        ),
        (
            'name = "mine"\n\n[rule]\nstore = "primary"\n',
            "mine.toml:3: rule is no list. Write each rule under its own [[rule]] line.",
        ),
        (
            'name = "mine"\nrule = ["keep"]\n',
            "mine.toml:1: rule 1: 'keep' is no rule. Write each rule under its own [[rule]] line.",
        ),
        (
            'name = "mine"\nrule = [1]\n',
            "mine.toml:1: rule 1: 1 is no rule. Write each rule under its own [[rule]] line.",
        ),
        (
            'name = "mine"\ntitle = "and then',
            "mine.toml:2: not TOML: Unterminated string (at end of document). Mend the line.",
        ),
        (
            "name = 'mine'\nsealed = maybe\n",
            "mine.toml:2: not TOML: Invalid value (at line 2, column 10). Mend the line.",
        ),
    ],
    ids=["empty", "rule a number", "one table", "a list of texts", "a list of numbers", "torn", "bad value"],
)
def test_a_file_that_is_no_policy_at_all_is_refused_too(text: str, said: str) -> None:
    assert said in problems(text)


@pytest.mark.parametrize(
    ("case", "rule", "remedy"),
    [
        (("third_parties/pizza", "pizza", "age"), {"action": "ask", "to": "pizza", "after": "P1D"}, "keep"),
        (("third_parties/pizza", "pizza", "setting_changed"), {"action": "ask", "to": "pizza"}, "keep"),
        (
            ("third_parties/quiz", "in_skill_purchase", "user_delete"),
            {"action": "ask", "to": "quiz", "after": "P1D"},
            "keep or ask without after",
        ),
        (("operations", "seen", "setting_changed"), {"action": "erase"}, "keep"),
        (
            ("operations", "directive", "user_delete"),
            {"action": "erase", "after": "P1D"},
            "keep or erase without after",
        ),
        (("operations", "quarantine", "account_closed"), {"action": "pseudonymise"}, "keep or erase"),
        (
            ("operations", "setting", "account_closed"),
            {"action": "erase", "after": "P1D"},
            "keep or erase without after",
        ),
        (("operations", "account", "user_delete"), {"action": "erase"}, "keep"),
        (("operations", "scope", "account_closed"), {"action": "erase"}, "keep"),
        (("ledger", "entry", "age"), {"action": "erase", "after": "P1Y"}, "keep"),
        (("ledger", "entry", "user_delete"), {"action": "pseudonymise"}, "keep"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_rule_that_nothing_carries_out_does_not_load(
    case: tuple[str, str, str], rule: dict[str, str], remedy: str
) -> None:
    (problem,) = problems(policy_text({case: rule}))
    assert f'trigger "{case[2]}". Write {remedy}.' in problem


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        (("third_parties/pizza", "pizza", "third_party_request"), {"action": "ask", "to": "pizza"}),
        (("third_parties/pizza", "pizza", "inactive"), {"action": "ask", "to": "pizza", "after": "P90D"}),
        (("operations", "seen", "age"), {"action": "erase", "after": "P1D"}),
        (("operations", "device", "account_closed"), {"action": "erase", "after": "P1D"}),
        (("operations", "setting", "account_closed"), {"action": "erase"}),
        (("ledger", "entry", "account_closed"), {"action": "pseudonymise"}),
        (("actions", "alarm", "third_party_request"), {"action": "pseudonymise", "after": "P1D"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_rule_that_something_carries_out_loads(case: tuple[str, str, str], rule: dict[str, str]) -> None:
    assert policy.parse(policy_text({case: rule}), "mine.toml").rule(*case).action == rule["action"]  # type: ignore[arg-type]


def test_all_faults_of_a_file_are_said_at_once() -> None:
    text = AMAZON.replace('source = "L2"', 'source = "?"', 1).replace('fields = ["text"]', 'fields = ["body"]', 1)
    first, fourth = (policy.load("amazon-2019").rules[number - 1].line for number in (1, 4))
    assert [int(problem.split(":")[1]) for problem in problems(text)] == [first, fourth]


def test_an_empty_file_names_every_case_as_a_hole() -> None:
    holes = [problem for problem in problems("") if "no rule for" in problem]
    assert len(holes) == len(CASES)


@pytest.mark.parametrize("name", ["no-such-policy", ".", "no/such/file.toml"])
def test_a_policy_that_is_not_there_is_refused_naming_those_that_are(name: str) -> None:
    with pytest.raises(CloudError, match=r"Shipped are amazon-2019, .*erase-everything.*; or give a file's path\."):
        policy.load(name)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CloudError, match=r"no policy .*mine\.toml"):
        policy.load(str(tmp_path / "mine.toml"))


@given(st.text())
def test_no_text_is_refused_with_anything_but_the_list_of_its_faults(text: str) -> None:
    with pytest.raises(BrokenPolicy) as broken:
        policy.parse(text, "mine.toml")
    assert all(re.match(r"mine\.toml:\d+: ", problem) for problem in broken.value.problems)


TOML_VALUES = st.sampled_from(
    ['"primary"', '"text"', "5", "true", "[]", '["ride"]', "[5]", "[[1]]", "{}", "1.5", '"P1D"']
)
RULE_KEYS = ("store", "kind", "trigger", "action", "fields", "to", "after", "because", "source", "assumed")


@given(st.dictionaries(st.sampled_from(RULE_KEYS), TOML_VALUES))
def test_no_rule_however_odd_breaks_the_checker(rule: dict[str, str]) -> None:
    lines = [f"{key} = {value}" for key, value in rule.items()]
    assert problems("\n".join(['name = "mine"', "[[rule]]", *lines]))


def test_an_edited_policy_in_a_file_is_loaded_with_its_periods(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(AMAZON.replace("P30D", "P3M", 1), "utf-8")
    loaded: Policy = policy.load(str(file))
    assert loaded.rule("subsystems", "transcript", "user_delete").after == Period("P3M")


@pytest.mark.parametrize(
    ("period", "moment", "before", "since"),
    [
        ("P1M", "2026-03-31", "2026-02-28", "2026-04-30"),
        ("P1M", "2024-03-31", "2024-02-29", "2024-04-30"),
        ("P1M", "2026-01-31", "2025-12-31", "2026-02-28"),
        ("P1M", "2024-01-31", "2023-12-31", "2024-02-29"),
        ("P1M", "2026-12-31", "2026-11-30", "2027-01-31"),
        ("P3M", "2026-05-31", "2026-02-28", "2026-08-31"),
        ("P18M", "2026-08-31", "2025-02-28", "2028-02-29"),
        ("P1Y", "2024-02-29", "2023-02-28", "2025-02-28"),
        ("P30D", "2026-03-31", "2026-03-01", "2026-04-30"),
        ("P2W", "2026-01-07", "2025-12-24", "2026-01-21"),
        ("PT48H", "2026-01-01", "2025-12-30", "2026-01-03"),
    ],
)
def test_months_and_years_are_the_calendars(period: str, moment: str, before: str, since: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    length = Period(period)
    assert (f"{length.before(now):%Y-%m-%d}", f"{length.since(now):%Y-%m-%d}") == (before, since)


PERIODS = st.builds(
    lambda months, days, hours: (Period(f"P{months}M{days}DT{hours}H"), months, days, hours),
    st.integers(0, 36),
    st.integers(0, 100),
    st.integers(0, 48),
)
MOMENTS = st.integers(0, 365 * 24 * 60 * 50).map(
    lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(PERIODS, MOMENTS)
def test_before_and_since_undo_each_other_but_for_the_days_that_a_short_month_lacks(
    period: tuple[Period, int, int, int], moment: datetime
) -> None:
    length, months, days, hours = period
    there_and_back = length.since(length.before(moment))
    # A month's end may cost up to three days on each of the two ways; without months nothing is lost.
    slack = timedelta(days=6 if months else 0)
    assert abs(there_and_back - moment) <= slack
    assert length.before(moment) <= moment <= length.since(moment)
    assert length.since(moment) - moment >= timedelta(days=28 * months + days, hours=hours)


@given(PERIODS, MOMENTS, MOMENTS)
def test_what_is_older_is_never_due_later(period: tuple[Period, int, int, int], one: datetime, other: datetime) -> None:
    length = period[0]
    older, newer = sorted((one, other))
    assert length.before(older) <= length.before(newer)
    assert length.since(older) <= length.since(newer)


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "30D", "-P30D", "P-30D", "P30", "P1M ", "P1M\n", "p1m", "P0.5M", "P1.5Y", "P99999Y", "month"],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no ISO 8601 period"):
        Period(text)
