"""Each room of the page in a real browser, from a spoken sound to the page, and from the page to the stores."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, expect

from device.spoken_requests import FOLDER
from tests.browser.chromium import Home, home
from tests.processes import asked, cloud_stub, until

WALNUTS = "remember that i am allergic to walnuts"


@pytest.fixture(scope="module")
def lived_in(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("home"), chromium) as one:
        yield one


def test_live_shows_a_spoken_request_on_its_way_through_the_house(lived_in: Home) -> None:
    with lived_in.window() as page:
        page.goto("/live")
        expect(page.locator("#ways[data-open]")).to_be_attached()
        expect(page.locator("[data-device=kitchen] .ring")).to_have_class("ring deaf")
        lived_in.hear("10_walnuts")
        way = page.locator(".way")
        expect(way.locator(".heard")).to_have_text(re.compile(WALNUTS))
        expect(way.locator(".answer")).to_have_text("I'll remember that you are allergic to walnuts.")
        for place in ("primary/transcript", "primary/recording", "actions/fact", "training/transcript"):
            expect(way.locator("ol b", has_text=place)).to_have_count(1)
        fact = way.locator("ol li", has_text="actions/fact")
        expect(fact).to_contain_text("i am allergic to walnuts")
        expect(fact.locator(".rule")).to_contain_text("amazon-2019 rule")
        page.locator(".wire summary").click()
        expect(page.locator("#wire li", has_text="echo/v1/kitchen/event/recording/")).not_to_have_count(0)
        page.locator("#wire li", has_text="echo/v1/kitchen/event/interaction").first.wait_for()


def test_live_forgets_what_is_deleted(lived_in: Home) -> None:
    with lived_in.window() as page:
        page.goto("/live")
        expect(page.locator("#ways[data-open]")).to_be_attached()
        interaction = lived_in.hear("07_ride")
        expect(page.locator(".way .heard")).to_have_text(re.compile("request a ride"))
        assert cloud_stub("erase", "--interaction", interaction, "--data", lived_in.cloud.data).returncode == 0
        expect(page.locator(".way.gone .heard")).to_have_text("(deleted)")
        expect(page.locator("main")).not_to_contain_text("airport")


def test_what_was_said_is_seen_word_by_word_and_heard(lived_in: Home) -> None:
    interaction = lived_in.hear("08_pizza")
    with lived_in.window() as page:
        page.goto("/history")
        row = page.locator(".said li", has_text="order a large pepperoni pizza from dominos")
        picture = row.locator("img")
        picture.scroll_into_view_if_needed()
        until(lambda: picture.evaluate("image => image.complete && image.naturalWidth > 0"), "the waveform")
        row.get_by_role("link", name="order a large pepperoni pizza from dominos", exact=True).click()
        page.wait_for_url(f"**/history/{interaction}")
        expect(page.locator(".words tbody tr")).to_have_count(7)
        expect(page.locator(".words tbody tr").nth(3)).to_contain_text("pepperoni")
        expect(page.locator(".words tbody tr").nth(3)).to_contain_text("%")
        assert page.locator(".wave rect").count() > 200
        audio = page.locator("audio")
        until(lambda: audio.evaluate("audio => audio.duration > 1"), "the recording to load")
        audio.evaluate("audio => audio.play()")
        until(lambda: float(page.locator(".head").get_attribute("x1") or 0) > 0, "the playing head to move")


def test_history_is_searched_and_filtered(lived_in: Home) -> None:
    lived_in.hear("11_question")
    with lived_in.window() as page:
        page.goto("/history")
        page.get_by_label("Words").fill("what TIME")
        page.get_by_role("button", name="Show").click()
        assert set(page.locator(".you").all_inner_texts()) == {"what time is it"}
        page.goto("/history?day=2020-01-01")
        expect(page.locator("main")).to_contain_text("Nothing was found.")
        page.goto("/history?device=cellar")
        expect(page.locator("main")).to_contain_text("Nothing was found.")
        page.goto("/history?device=kitchen")
        expect(page.locator(".you")).not_to_have_count(0)


def test_one_request_is_deleted_by_the_page_out_of_the_stores(lived_in: Home) -> None:
    interaction = lived_in.hear("04_message")
    assert "primary" in lived_in.in_files("i am running late")
    with lived_in.window() as page:
        page.goto("/history")
        page.get_by_role("link", name="Delete: send a message to bob").click()
        expect(page.locator("main")).to_contain_text("Nothing has been deleted yet")
        expect(page.locator("tr.goes", has_text="primary/recording")).to_have_count(1)
        expect(page.locator("tr.stays", has_text="actions/message")).to_contain_text("L8")
        assert interaction in {row["id"] for row in lived_in.history()}, "the plan is only a plan"
        page.get_by_role("button", name="Delete now").click()
        page.wait_for_url("**/receipts/*")
        expect(page.locator("tr.goes", has_text="primary/transcript")).to_have_count(1)
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save the receipt").click()
        assert cloud_stub("receipt", "verify", Path(saved.value.path())).returncode == 0
        page.goto("/history")
        expect(page.locator("main")).not_to_contain_text("running late")
    assert interaction not in {row["id"] for row in lived_in.history()}
    assert "primary" not in lived_in.in_files("i am running late")


def test_a_time_and_today_and_everything_are_deleted_without_javascript(lived_in: Home) -> None:
    with lived_in.window(java_script_enabled=False) as page:
        for button in ("Delete a time …", "Delete today's …", "Delete everything …"):
            lived_in.hear("11_question")
            page.goto("/history")
            expect(page.locator(".you", has_text="what time is it")).not_to_have_count(0)
            if button == "Delete a time …":
                page.get_by_label("From", exact=True).fill("2020-01-01T00:00")
                page.get_by_role("button", name=button).click()
            else:
                page.get_by_role("link", name=button).click()
            page.get_by_role("button", name="Delete now").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Deleted: the receipt")
            page.get_by_role("main").get_by_role("link", name="Voice history").click()
            expect(page.locator("main")).to_contain_text("Nothing has been said yet")
            assert lived_in.history() == []


def test_the_words_that_stay_are_shown_with_their_clause_now_and_in_years(lived_in: Home) -> None:
    one = lived_in
    one.hear("10_walnuts")
    with one.window() as page:
        page.goto("/left")
        expect(page.locator("#sum")).to_contain_text("records are there")
        page.get_by_label("just after the deletion").check()
        page.wait_for_url("**at=deleted**")
        before = int(page.locator("#sum strong").first.inner_text())
        said = page.locator(".clause-block", has_text="i am allergic to walnuts").first
        expect(said).to_contain_text("amazon-2019 rule")
        page.get_by_label("18 months later").check()
        page.wait_for_url("**at=P18M**")
        later = int(page.locator("#sum strong").first.inner_text())
        assert 0 < later <= before
        expect(page.locator("main")).to_contain_text("i am allergic to walnuts")
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save this picture").click()
        drawn = ElementTree.parse(Path(saved.value.path())).getroot()
        assert drawn.tag.endswith("svg")
        assert WALNUTS in [row["transcript"] for row in one.history()], "the plan was looked at, and not carried out"
        # The plan's counts are those that a deletion comes to.
        assert cloud_stub("erase", "--all", "--data", one.cloud.data).returncode == 0
        assert len(asked("left", "--data", one.cloud.data)["left"]) == before
        page.goto("/left")
        page.get_by_role("button", name="Search every byte").click()
        verdicts = page.locator("#bytes tbody tr")
        expect(verdicts.filter(has_text="cloud/primary").locator(".verdict")).to_have_text("clean")
        expect(verdicts.filter(has_text="cloud/actions").locator(".verdict")).to_have_text("residue explained")
        expect(page.locator("#bytes caption")).to_contain_text("0 findings without an explanation")


def test_two_policies_are_compared_on_a_trace(lived_in: Home) -> None:
    with lived_in.window() as page:
        page.goto("/compare")
        page.get_by_label("Trace").select_option("walnut")
        page.get_by_label("Policy").select_option("amazon-2019")
        page.get_by_label("against").select_option("erase-everything")
        page.get_by_role("button", name="Compare").click()
        expect(page.locator(".sides figure svg")).to_have_count(2, timeout=60_000)
        fact = page.locator("tbody tr", has_text="actions/fact").locator("td").nth(2)
        kept, erased = fact.locator("span").all_inner_texts()
        assert (int(kept) > 0, int(erased)) == (True, 0)


def test_settings_are_changed_exported_and_the_policy_is_read(lived_in: Home) -> None:
    lived_in.hear("13_allergic")
    with lived_in.window() as page:
        page.goto("/settings")
        page.get_by_label("Delete by itself what I said", exact=True).select_option("after 3 months")
        page.get_by_role("button", name="Save: Delete by itself").click()
        expect(page.get_by_role("status")).to_contain_text("after 3 months")
        assert asked("settings", "--data", lived_in.cloud.data)["auto_delete"] == "P3M"
        page.locator(".policy").locator("xpath=..").locator("summary").click()
        expect(page.locator(".policy")).to_contain_text("When the household deletes an interaction:")
        with page.expect_download() as saved:
            page.get_by_role("link", name="Export everything").click()
        with zipfile.ZipFile(Path(saved.value.path())) as archive:
            history = json.loads(archive.read("history.json"))
            assert "what am i allergic to" in [row["transcript"] for row in history]
            assert any(name.endswith(".flac") for name in archive.namelist())


def test_a_device_is_muted_and_told_and_played_to_by_the_page(lived_in: Home) -> None:
    with lived_in.window() as page:
        page.goto("/devices")
        page.get_by_role("button", name="Mute: kitchen").click()
        expect(page.get_by_role("status")).to_contain_text("kitchen is muted")
        until(lambda: lived_in.device.attention() == "muted", "the device to be muted")
        page.goto("/devices")
        expect(page.locator("#d-kitchen .ring")).to_have_class("ring muted")
        page.get_by_role("button", name="Unmute: kitchen").click()
        expect(page.get_by_role("status")).to_contain_text("microphone back")
        page.get_by_role("button", name="Push to talk: kitchen").click()
        expect(page.get_by_role("status")).to_contain_text("push_to_talk is of no use")
        page.get_by_label("Let it take a text as heard").fill("add oat milk to my shopping list")
        page.get_by_role("button", name="Say it to kitchen").click()
        expect(page.get_by_role("status")).to_contain_text("kitchen has taken that as heard")
        until(lambda: "oat milk" in json.dumps(lived_in.history()), "the text to be stored")
        page.get_by_label("Let it hear a sound file").set_input_files(FOLDER / "06_order.flac")
        page.get_by_role("button", name="Play it to kitchen").click()
        expect(page.get_by_role("status")).to_contain_text("kitchen hears it")
        until(
            lambda: "order milk and eggs from amazon fresh" in json.dumps(lived_in.history()), "the sound to be stored"
        )


def test_the_account_is_closed_by_its_name_only(lived_in: Home) -> None:
    # The last of these tests, since nothing is taken from a closed account.
    one = lived_in
    interaction = one.hear("13_allergic")
    with one.window() as page:
        page.goto("/close")
        page.get_by_label("Write the account's name").fill("somebody")
        page.get_by_role("button", name="Close for good").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
        assert interaction in {row["id"] for row in one.history()}
        page.goto("/close")
        page.get_by_label("Write the account's name").fill("household")
        page.get_by_role("button", name="Close for good").click()
        expect(page.get_by_role("status")).to_contain_text("The account is closed")
        expect(page.locator("tr.goes", has_text="primary/transcript")).to_have_count(1)
        assert one.history() == []
