"""What one writes of sounds, takes away, and brings as a question."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.browser.asking import ask, line_of, settled, shown_names, until
from tests.browser.served import Served


def drop(page: Any, name: str, content: bytes) -> None:
    """Drop a file on the page, as from the desktop."""
    transfer = page.evaluate_handle(
        """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: "" }));
            return transfer;
        }""",
        [name, base64.b64encode(content).decode()],
    )
    for event in ("dragenter", "dragover"):
        page.dispatch_event("body", event, {"dataTransfer": transfer})
    page.wait_for_selector("#drop-veil:visible")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})


def path_of(folder: Path, name: str) -> Path:
    return folder / name


def test_a_tag_a_rating_and_a_note_survive_a_reload(new_page: Any, own_served: Served):
    page = new_page(own_served, "/?q=a+bell+rings")
    page.wait_for_selector("article")
    line_of(page, "bell.wav").locator(".name").click()
    page.fill('#panel [aria-label="Add a tag"]', "to/wer")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel .tag.own:has-text('to/wer')")
    page.locator('#panel button[aria-label="4 stars"]').click()
    page.wait_for_selector('#panel button[aria-label="4 stars"][aria-pressed="true"]')
    page.locator('#panel button[aria-label="Favourite"]').click()
    page.wait_for_selector('#panel button[aria-label="Favourite"][aria-pressed="true"]')
    page.fill("#panel textarea", "from the old mill <b>")
    with page.expect_response("**/note"):
        page.locator("#panel h2").click()  # leaves the field
    page.reload()
    page.wait_for_selector("#panel .tag.own:has-text('to/wer')")
    assert page.input_value("#panel textarea") == "from the old mill <b>"
    assert (
        page.locator('#panel button[aria-label="4 stars"]').get_attribute("aria-pressed") == "true"
    )
    line = line_of(page, "bell.wav")
    line.locator(".tag:has-text('to/wer')").wait_for()
    assert line.locator(".stars").inner_text() == "★★★★"
    [told] = own_served.command(
        "info", line.locator(".name").get_attribute("title").split("\n")[0], "--json"
    ).rows
    assert told["tags_given"] == ["to/wer"]
    assert (told["rating"], told["favourite"]) == (4, True)
    page.locator('#panel button[aria-label="Take the tag to/wer away"]').click()
    page.wait_for_selector("#panel .tag.own", state="detached")


def test_keys_rate_and_tick(new_page: Any, own_served: Served):
    page = new_page(own_served, "/?q=a+bell+rings")
    page.wait_for_selector("article")
    page.locator("article").first.focus()
    with page.expect_response("**/rating"):
        page.keyboard.press("5")
    page.wait_for_selector("article .stars:has-text('★★★★★')")
    n_hearts = page.locator("article .heart").count()  # of tests before
    page.keyboard.press("f")
    until(page, f"Math.abs(document.querySelectorAll('article .heart').length - {n_hearts}) === 1")


def test_the_key_for_tags_waits_until_the_sound_is_known(new_page: Any, own_served: Served):
    page = new_page(own_served)
    held: list[Any] = []
    is_slow = True

    def on_facts(route: Any) -> None:
        if is_slow:
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(r"/api/recordings/\d+$"), on_facts)
    ask(page, "a bell rings")
    page.locator("article").first.focus()
    with page.expect_request(re.compile(r"/api/recordings/\d+$")):
        page.keyboard.press("t")
    page.wait_for_selector("#panel .details")
    until(page, "document.activeElement.id === 'panel'")
    is_slow = False
    for route in held:
        route.continue_()
    until(page, "document.activeElement.dataset.own === 'tag'")


def test_what_a_command_writes_is_seen_by_the_page(new_page: Any, own_served: Served):
    command = own_served.command
    page = new_page(own_served)
    ask(page, "a bell rings")
    name = shown_names(page)[0]
    path = line_of(page, name).locator(".name").get_attribute("title").split("\n")[0]
    assert command("tag", "add", "<u>by hand", path).status == 0
    assert command("tag", "add", "short", "--", f"{path}@0-0.5").status == 0
    assert command("note", "here <b>", f"{path}@0-0.5").status == 0
    ask(page, "a bell is ringing")
    line_of(page, name).locator(".tag.own:has-text('<u>by hand')").wait_for()
    line_of(page, name).locator(".name").click()
    of_stretch = page.locator("#panel .stretches li")
    of_stretch.wait_for()
    assert of_stretch.locator(".note").inner_text() == "here <b>"
    assert of_stretch.locator("button").get_attribute("aria-label") == "Play 0:00–0:00.5"
    # Whoever was in the terminal and comes back sees what was written there.
    assert command("tag", "remove", "<u>by hand", path).status == 0
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    line_of(page, name).locator(".tag:has-text('<u>by hand')").wait_for(state="detached")
    page.wait_for_selector("#panel .tag:has-text('<u>by hand')", state="detached")


def test_the_rating_of_what_is_ticked_is_chosen_by_keys(new_page: Any, own_served: Served):
    page = new_page(own_served, "/?q=someone+knocks")
    page.wait_for_selector("article")
    page.locator("article input").first.check()
    page.locator('[aria-label="Rating of all that is ticked"]').focus()
    for _ in range(2):  # a select that is closed takes each arrow as a choice
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    with page.expect_request("**/rating") as asked:
        page.keyboard.press("Enter")
    assert asked.value.post_data_json == {"rating": 3}
    page.wait_for_selector("#notice:has-text('1 sound rated')")


def test_ticked_sounds_are_collected_and_shown(new_page: Any, own_served: Served):
    page = new_page(own_served, "/?q=a+bell+rings&min-score=0")
    page.wait_for_selector("article")
    wanted = shown_names(page)[:3]
    for name in wanted:
        line_of(page, name).locator("input").check()
    assert page.inner_text("#basket strong") == "3 stretches ticked"
    page.fill('[aria-label="Collection to add to"]', "tower & bell")
    page.keyboard.press("Enter")
    page.wait_for_selector("#notice:has-text('3 stretches added')")
    page.locator("#open-saved").click()
    page.locator("#panel a:has-text('tower & bell')").click()
    page.wait_for_selector(".chip:has-text('Collection tower & bell')")
    settled(page)
    until(page, "document.querySelectorAll('article').length === 3")
    assert shown_names(page) == wanted
    rows = own_served.command("collection", "show", "tower & bell", "--json").rows
    assert [Path(each["path"]).name for each in rows] == wanted
    page.locator("#basket button[aria-label='Untick all']").click()
    page.locator("article input").nth(1).check()
    page.locator("#basket button:has-text('Take out of tower & bell')").click()
    until(page, "document.querySelectorAll('article').length === 2")
    assert shown_names(page) == [wanted[0], wanted[2]]
    assert len(own_served.command("collection", "show", "tower & bell", "--json").rows) == 2


def test_a_search_is_saved_and_asked_again(new_page: Any, own_served: Served):
    page = new_page(own_served, "/?q=a+bell+rings&format=wav&min-score=0.1")
    page.wait_for_selector("article")
    shown = shown_names(page)
    page.locator("#open-saved").click()
    page.fill('[aria-label="Name of the search"]', "bells")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel a:has-text('bells')")
    page.locator("#home").click()
    page.wait_for_selector("#start:visible")
    page.locator("#open-saved").click()
    page.locator("#panel a:has-text('bells')").click()
    page.wait_for_selector("article")
    assert shown_names(page) == shown
    assert page.input_value("#q") == "a bell rings"
    rows = own_served.command("search", "run", "bells", "--json").rows
    assert [Path(each["path"]).name for each in rows] == shown


@pytest.mark.parametrize("form", ["csv", "m3u8", "jsonl"])
def test_an_export_has_the_bytes_of_the_command(page: Any, served: Served, form: str):
    ask(page, "a bell rings")
    page.locator("#tick-all").click()
    page.select_option('[aria-label="Format of the export"]', form)
    with page.expect_request("**/api/export") as asked, page.expect_download() as download:
        page.locator("#basket button:has-text('Export')").click()
    assert download.value.suggested_filename.endswith(f".{form}")
    paths = {
        each["recording_id"]: each["path"]
        for each in served.command("find", "a bell rings", "--json", "-n", "60").rows
    }
    sent = asked.value.post_data_json["rows"]
    rows = [{"path": paths[each["recording_id"]], **each} for each in sent]
    assert len(rows) == len(paths)
    command = served.command
    written = subprocess.run(
        [*command.program, "export", form],
        input="".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows).encode(),
        env=command.environment(),
        capture_output=True,
        check=True,
    )
    assert Path(download.value.path()).read_bytes() == written.stdout


def test_clips_come_sample_by_sample(page: Any, page_sounds: Path):
    ask(page, "a bell rings")
    boxes = page.locator("article input").all()
    for box in boxes:
        box.check()
    with page.expect_download() as download:
        page.locator("#basket button:has-text('Export')").click()
    with zipfile.ZipFile(download.value.path()) as pack:
        clips = [soundfile.read(io.BytesIO(pack.read(each))) for each in sorted(pack.namelist())]
    assert len(clips) == len(boxes)
    source, rate = soundfile.read(path_of(page_sounds, "bell.wav"))
    assert any(r == rate and np.array_equal(c, source[: len(c)]) for c, r in clips)


def test_a_stretch_is_downloaded_and_dragged_out(page: Any, served: Served, page_sounds: Path):
    ask(page, "a bell rings")
    line = line_of(page, "bell.wav")
    with page.expect_download() as download:
        line.locator(".download a").click()
    assert download.value.suggested_filename.endswith(".wav")
    taken, rate = soundfile.read(download.value.path())
    source, source_rate = soundfile.read(path_of(page_sounds, "bell.wav"))
    assert rate == source_rate
    np.testing.assert_array_equal(taken, source[: len(taken)])
    told = line.locator(".name").evaluate(
        """name => {
            const dataTransfer = new DataTransfer();
            name.dispatchEvent(new DragEvent("dragstart", { dataTransfer, bubbles: true }));
            return dataTransfer.getData("DownloadURL");
        }"""
    )
    kind, name, url = told.split(":", 2)
    assert (kind, name[-4:]) == ("audio/wav", ".wav")
    body = page.request.get(url).body()
    again, _ = soundfile.read(io.BytesIO(body))
    np.testing.assert_array_equal(again, taken)
    # Of a stretch that was dragged over, what is dragged out is that stretch.
    box = line.locator(".wave").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()
    told, href = line.locator(".chosen a").evaluate(
        """link => {
            const dataTransfer = new DataTransfer();
            link.dispatchEvent(new DragEvent("dragstart", { dataTransfer, bubbles: true }));
            return [dataTransfer.getData("DownloadURL"), link.href];
        }"""
    )
    assert told.split(":", 2)[2] == href != url


def test_of_a_file_that_is_not_there_a_download_says_so(
    new_page: Any, own_sounds: Served, watched: Any
):
    page = new_page(own_sounds)
    ask(page, "a bell rings")
    line = line_of(page, "bell\\n2.wav")
    # Where a name has a line's end, it is shown as the command shows it, and does not end a line.
    title = line.locator(".name").get_attribute("title")
    path = Path(title.split("\n")[0].replace("\\n", "\n"))
    assert path.name == "bell\n2.wav"
    told = own_sounds.command("find", "a bell rings").text
    assert "bell\\n2.wav" in told
    with page.expect_download() as download:
        line.locator(".download a").click()
    assert soundfile.info(download.value.path()).frames
    path.unlink()
    line.locator(".download a").click()
    page.wait_for_selector("#notice.error")
    said = page.inner_text("#notice")
    assert "bell\\n2.wav: the file is not there now" in said
    assert "audiosearch index takes in what has moved" in said
    watched.errors.clear()  # the browser writes refused requests to its console


def test_lines_of_a_collection_have_the_captions_of_hits(new_page: Any, own_served: Served):
    page = new_page(own_served, "/?q=a+bell+rings&min-score=0")
    page.wait_for_selector("article .caption")
    said = {
        name: page.locator("article", has=page.locator(".name", has_text=name))
        .first.locator(".caption")
        .inner_text()
        for name in shown_names(page)[:3]
    }
    assert any(said.values())
    for name in said:
        line_of(page, name).locator("input").check()
    page.fill('[aria-label="Collection to add to"]', "bells")
    page.keyboard.press("Enter")
    page.wait_for_selector("#notice:has-text('3 stretches added')")
    page.goto(f"{own_served.url}?show=bells")
    page.wait_for_selector("article")
    settled(page)
    assert {name: line_of(page, name).locator(".caption").inner_text() for name in said} == said


def test_a_dropped_sound_finds_its_like_with_and_without_words(page: Any, page_sounds: Path):
    drop(page, "mine <i>.wav", path_of(page_sounds, "bell.wav").read_bytes())
    page.wait_for_selector("article")
    page.wait_for_selector(".chip:has-text('Sounds like mine <i>.wav')")
    names = shown_names(page)
    assert names[0] in ("bell.wav", "scene-2.wav", "phone.flac"), names
    with page.expect_request("**/api/find?*") as asked:
        page.fill("#q", "knocking")
    assert asked.value.method == "POST"
    page.wait_for_selector("article")
    settled(page)
    page.locator('.chip button[aria-label^="Remove Sounds like"]').click()
    until(page, "!document.querySelector('.chip')")
    assert page.input_value("#q") == "knocking"


def test_what_is_no_sound_is_refused_in_words(page: Any, watched: Any):
    ask(page, "a bell rings")
    page.locator("article input").first.check()
    drop(page, "notes.wav", b"no sound at all, whatever its name says")
    page.wait_for_selector("#notice.error")
    assert page.inner_text("#notice p").strip()
    # It stays, and yet what is ticked can be taken: it covers nothing of that.
    with page.expect_download():
        page.locator("#basket button:has-text('Export')").click()
    watched.errors.clear()  # the browser writes refused requests to its console


def test_the_microphone_asks(page: Any):
    page.locator('button[aria-label="Search by the microphone"]').click()
    page.wait_for_selector("button.recording")
    page.wait_for_timeout(1500)
    page.locator("button.recording").click()
    page.wait_for_selector(".chip:has-text('microphone')")
    page.wait_for_selector("article")


def test_sounds_like_this_leaves_itself_out(page: Any, served: Served, page_sounds: Path):
    ask(page, "a bell rings")
    line_of(page, "bell.wav").locator('button[aria-label^="Sounds like"]').click()
    page.wait_for_selector(".chip:has-text('Sounds like bell.wav')")
    settled(page)
    until(page, "document.querySelector('article .name').textContent !== 'bell.wav'")
    rows = served.command("similar", path_of(page_sounds, "bell.wav"), "--json", "-n", "60").rows
    shown = shown_names(page)
    assert shown == [Path(each["path"]).name for each in rows][: len(shown)]
