"""Take the pictures of the page in docs/images/, of the demo's sounds: `make screenshots`.

They are of the real program in the system's Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from audiosearch.training.synth.examples import write_examples
from tests.browser.served import chromium_path, serving
from tests.e2e.command import Command

IMAGES = Path(__file__).parent / "images"
BUNDLES = Path(__file__).parents[1] / "models"
QUESTION = "?q=someone+knocks+on+a+door+before+a+bell+rings"


def main() -> int:
    """Make a library, serve it, and look at it."""
    executable = chromium_path()
    if executable is None:
        print("no Chromium: apt-get install chromium, or name one in AUDIOSEARCH_CHROMIUM")
        return 2
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where a browser is there

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        sounds = Path(place) / "sounds"
        write_examples(sounds)
        # A copy, so that no picture shows where this checkout lies.
        bundle = shutil.copytree(BUNDLES / "starter", Path(place) / "models" / "starter")
        command = Command(data_dir=Path(place) / "data", bundle=str(bundle))
        assert command("index", sounds).status == 0
        command("tag", "add", "doors", sounds / "knocks.wav", sounds / "scene-1.wav")
        command("rate", "5", sounds / "scene-1.wav")
        with serving(command) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=executable,
                args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
            )
            for name, width, height, scheme, take in (
                ("page-light", 1280, 720, "light", answer),
                ("page-dark", 1280, 720, "dark", playing),
                ("page-narrow", 360, 720, "dark", answer),
                ("page-library", 1280, 720, "light", library),
            ):
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                page = context.new_page()
                take(page, served.url)
                page.wait_for_timeout(1500)  # for what is drawn last
                path = IMAGES / f"{name}.png"
                page.screenshot(path=path)
                print(f"{path} ({path.stat().st_size // 1000} kB)")
                context.close()
            browser.close()
    return 0


def answer(page: Any, url: str) -> None:
    """What was found, and why."""
    page.goto(url + QUESTION)
    page.wait_for_selector("article .lift", state="attached")
    page.wait_for_selector("article .wave:not(.loading)")


def playing(page: Any, url: str) -> None:
    """One that plays, with all about it, and two that are ticked."""
    answer(page, url)
    page.locator("article").first.focus()
    for key in ("x", "j", "x", "k", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#panel .wave:not(.loading)")
    page.locator("article").first.focus()
    page.keyboard.press(" ")


def library(page: Any, url: str) -> None:
    """The library itself."""
    answer(page, url)
    page.locator("#open-library").click()
    page.wait_for_selector("#panel section[aria-label='Model'] dd")


if __name__ == "__main__":
    sys.exit(main())
