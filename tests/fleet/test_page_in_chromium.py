"""The page of ``--html`` in a real browser: at 3 and 10,000 keys, light and dark, by keyboard, read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, browser
from reported import HOSTILE, results, run_of

from kojikey.cli.reports.html import page
from kojikey.cli.reports.spool import write_whole

FEW, MANY = 3, 10_000
VISIBLE_ROWS = "[...document.querySelectorAll('.map tbody tr')].filter(row => row.offsetParent !== null).length"
CONTRASTS = """
(() => {
  const luminance = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(c => c / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'transparent') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('h1,p,a,label,legend,caption,th,summary,dt,dd,td,.quiet,.due')].map(element => {
    const [a, b] = [getComputedStyle(element).color, behind(element)].map(luminance);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
})()
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def written(folder: Path, count: int, *, words: str = "why it is so") -> Path:
    path = folder / "keys.html"
    write_whole(str(path), page(*run_of(list(results(count, words=words)))))
    return path


@pytest.mark.parametrize(("count", "accounts"), [(FEW, 2), (MANY, 5000)])
def test_the_page_shows_every_account_and_filters_them(
    chromium: Browser, tmp_path: Path, count: int, accounts: int
) -> None:
    chromium.open(written(tmp_path, count))
    assert chromium.value(VISIBLE_ROWS) == accounts
    chromium.value("document.querySelector('#f-limited').click()")
    limited = chromium.value("document.querySelectorAll('.map tr.has-limited').length")
    assert 0 < limited == chromium.value(VISIBLE_ROWS) < accounts
    chromium.value("document.querySelector('#f-all').click()")
    assert chromium.value(VISIBLE_ROWS) == accounts
    assert chromium.value("document.documentElement.scrollWidth <= innerWidth")
    assert chromium.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_in_light_and_dark(chromium: Browser, tmp_path: Path, scheme: str) -> None:
    chromium.prefer(scheme)
    chromium.open(written(tmp_path, 40))
    chromium.value("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert min(chromium.value(CONTRASTS)) >= 4.5
    background = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")
    chromium.prefer("light")


def test_the_page_can_be_used_by_keyboard(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 20))
    focused = "document.activeElement.className || document.activeElement.id || document.activeElement.tagName"
    chromium.press("Tab")
    assert chromium.value(focused) == "skip"
    chromium.press("Tab")
    assert chromium.value(focused) == "f-all"
    chromium.press("ArrowRight")
    assert chromium.value("document.querySelector('#f-valid').checked")
    assert chromium.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
    chromium.press("Tab")
    assert chromium.value(focused) == "SUMMARY"
    chromium.press("Enter")
    assert chromium.value("document.activeElement.parentElement.open")
    assert chromium.value("document.activeElement.parentElement.querySelector('dl').offsetHeight") > 0


def test_a_screen_reader_finds_headings_tables_and_names(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 20))
    found = chromium.accessible()
    assert ("heading", "Provider keys") in found
    assert ("table", "Accounts by providers. Each cell opens for details.") in found
    assert ("columnheader", "elevenlabs") in found
    assert ("rowheader", "account-00003") in found
    assert any(role == "radio" and name.startswith("Rejected") for role, name in found)
    assert ("group", "Show accounts with a key that is") in found or (
        "radiogroup",
        "Show accounts with a key that is",
    ) in found
    assert not [name for role, name in found if role in ("link", "radio", "button") and not name]


def test_a_hostile_provider_runs_nothing_and_loads_nothing(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 20, words=HOSTILE))
    chromium.value("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert (
        chromium.value("document.scripts.length + document.images.length + document.querySelectorAll('iframe').length")
        == 0
    )
    assert chromium.value("performance.getEntriesByType('resource').length") == 0
    assert chromium.value("[...document.links].every(link => link.hash || link.protocol === 'https:')")
    assert chromium.complaints() == []
