"""The page in a real browser: nothing requested, nothing wrong on the console, all of it reachable.

Skipped where no Chromium is installed.
"""

from pathlib import Path
from typing import Any

import pytest
from chromium import Browser

from wellposed.report import write_report

METADATA = """Promise.all([...document.querySelectorAll("audio")].map(a => new Promise(done => {
  const tell = () => done(a.error ? -1 : a.duration);
  a.readyState > 0 || a.error ? tell() : (a.onloadedmetadata = a.onerror = tell);
})))"""
PLAY = """(async () => {
  const [first, second] = document.querySelectorAll("audio");
  const moved = (player) => new Promise(done =>
    player.addEventListener("timeupdate", () => player.currentTime > 0 && done()));
  let moving = moved(first);
  await first.play();
  await moving;
  const place = first.currentTime;
  moving = moved(second);
  await second.play();
  await moving;
  const seen = second.closest("figure").style.getPropertyValue("--place");
  return {place, paused: first.paused, behind: place - second.currentTime, seen};
})()"""
# WCAG 2.2, 1.4.3: contrast of each text with the first background behind it that is not clear.
CONTRAST = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      const alpha = parts(colour)[3];
      if (alpha === undefined || alpha === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const said = walker.currentNode.data.trim();
    if (!said || element.closest("script, style, .exhibits svg")) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const [low, high] = [light(colour), light(behind(element))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.push([said.slice(0, 40), colour, ratio]);
  }
  return poor;
})()"""
NAMELESS = """[...document.querySelectorAll("a, button, summary, audio, img, svg, input, select")]
  .filter(each => !each.closest("svg a") && each.getAttribute("aria-hidden") !== "true"
    && !(each.getAttribute("aria-label") || each.getAttribute("alt") || each.textContent.trim()))
  .map(each => each.outerHTML.slice(0, 80))"""


def noise(browser: Browser) -> list[dict[str, Any]]:
    """What stood on the console since the page was opened."""
    kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    return [event for event in browser.events if event["method"] in kinds]


def press(browser: Browser, key: str) -> None:
    """A key of the keyboard, down and up."""
    code = {"Tab": 9, "Enter": 13}[key]
    for kind in ("keyDown", "keyUp"):
        text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
        browser.ask(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key,
            windowsVirtualKeyCode=code, **text,
        )  # fmt: skip


def tab_to(browser: Browser, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(200):
        press(browser, "Tab")
        if browser.evaluate(f"document.activeElement.matches({selector!r})"):
            return
    pytest.fail(f"200 tabs have not reached {selector}")


def test_the_page_requests_nothing_logs_nothing_and_its_sounds_load(
    browser: Browser, run_folder: Path
) -> None:
    page = write_report(run_folder)
    browser.open(page)
    seconds = browser.evaluate(METADATA)
    sent = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in sent if not url.startswith("data:")} == {page.as_uri()}
    assert noise(browser) == []
    assert seconds == pytest.approx([0.5] * 3, abs=0.01)


def test_players_play_and_the_next_one_goes_on_where_the_last_one_was(
    browser: Browser, run_folder: Path
) -> None:
    browser.open(write_report(run_folder))
    played = browser.evaluate(PLAY)
    assert played["place"] > 0
    assert played["paused"]
    assert played["behind"] <= 0  # the second began there, and went on
    assert float(played["seen"]) > 0
    assert noise(browser) == []


def test_a_mark_is_reached_by_keyboard_and_leads_to_its_finding_and_back(
    browser: Browser, run_folder: Path
) -> None:
    browser.open(write_report(run_folder))
    tab_to(browser, "#curves a[href='#finding-1']")
    press(browser, "Enter")
    assert browser.evaluate("location.hash") == "#finding-1"
    assert browser.evaluate("document.activeElement.id") == "finding-1"
    tab_to(browser, "#finding-1 a[href='#panel-training-1']")
    press(browser, "Enter")
    assert browser.evaluate("document.activeElement.id") == "panel-training-1"
    tab_to(browser, "#panel-training-1 a[href='#finding-1']")


def test_a_mark_on_a_drawing_leads_to_its_finding_by_a_click(
    browser: Browser, run_folder: Path
) -> None:
    browser.open(write_report(run_folder))
    box = browser.evaluate("""(() => {
      const mark = document.querySelector("#curves svg a[href='#finding-1']");
      mark.scrollIntoView({behavior: "instant", block: "center"});
      const box = mark.getBoundingClientRect();
      return {x: box.x + box.width / 2, y: box.y + box.height / 2};
    })()""")
    for kind in ("mousePressed", "mouseReleased"):
        browser.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)
    assert browser.evaluate("location.hash") == "#finding-1"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_and_everything_has_a_name(
    browser: Browser, run_folder: Path, theme: str
) -> None:
    browser.ask(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}]
    )
    browser.open(write_report(run_folder))
    assert browser.evaluate(CONTRAST) == []
    assert browser.evaluate(NAMELESS) == []
    assert browser.evaluate("document.querySelectorAll('main, header, footer, nav').length") == 4


def test_nothing_moves_by_itself_for_those_who_want_no_motion(
    browser: Browser, run_folder: Path
) -> None:
    wish = {"name": "prefers-reduced-motion", "value": "reduce"}
    browser.ask("Emulation.setEmulatedMedia", features=[wish])
    browser.open(write_report(run_folder))
    assert browser.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert browser.evaluate("document.getAnimations().length") == 0


def test_the_page_is_no_wider_than_a_phone(browser: Browser, run_folder: Path) -> None:
    browser.ask(
        "Emulation.setDeviceMetricsOverride",
        width=390,
        height=844,
        deviceScaleFactor=2,
        mobile=True,
    )
    browser.open(write_report(run_folder))
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
