"""Delete by voice, and see what is left under one policy and under another."""

import pytest


@pytest.mark.echo(policy="amazon-2019")
def test_the_letter_lets_what_was_said_outlive_its_deletion(echo, cloud):
    echo.say("remember that i am allergic to walnuts")

    echo.say("delete everything i said today")

    assert cloud.history() == []
    kept = [record for record in cloud.left() if "walnuts" in str(record["fields"])]
    assert kept
    assert all(record["rule"] for record in kept), "each is explained by a rule"


@pytest.mark.echo(policy="erase-everything")
def test_a_stricter_policy_leaves_no_byte_of_it(echo, cloud):
    echo.say("remember that i am allergic to walnuts")

    echo.say("delete everything i said today")

    assert cloud.left() == []
    places = cloud.residue("allergic to walnuts")["places"]
    assert [place["place"] for place in places if place["findings"]] == []


@pytest.mark.echo(policy="auto-delete-3-months", clock="simulated")
def test_after_three_months_nobody_has_to_ask(echo, cloud):
    echo.say("what time is it")
    cloud.advance("P2M")
    assert len(cloud.history()) == 1

    cloud.advance("P2M")

    assert cloud.history() == []
