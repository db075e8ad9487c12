"""The page of ``--html`` in a real browser: at 3 and 10,000 keys, light and dark, by keyboard, read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from kojikey.cli.reports.html import page
from kojikey.model.atomic_file import write_whole
from kojikey.operations.results import TestResult
from support.chromium import Browser, browser
from support.exhaustive import exhaustive
from support.reported import HOSTILE, results, run_of

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


@pytest.mark.parametrize(("count", "accounts"), [(FEW, 2), (400, 200), exhaustive(MANY, 5000)])
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


WIDTHS = (400, 800, 1280, 1920)
BROKEN = """
(() => {
  const broken = [], range = document.createRange();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.offsetParent || node.parentElement.closest('.map a, .steps a[rel]')) continue;
    for (const word of node.data.matchAll(/[A-Za-z0-9_]+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
    }
  }
  return broken;
})()
"""
LONG = ("maria.gonzalez-fernandez@interviews.example.com", "a-rather-long-account-name.of-an-enterprise_customer-nr-58")


def several(count: int) -> list[TestResult]:
    """Return results, the first of which are of accounts with long names."""
    found = list(results(count, words="the key lacks the permission text_to_speech"))
    for number, account in enumerate(LONG):
        at = slice(2 * number, 2 * number + 2)
        found[at] = [replace(result, account=account) for result in found[at]]
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [FEW, exhaustive(500)])
def test_no_word_is_broken_at_any_width(chromium: Browser, tmp_path: Path, count: int, scheme: str) -> None:
    path = tmp_path / "keys.html"
    write_whole(str(path), page(*run_of(several(count))))
    chromium.prefer(scheme)
    for width in WIDTHS:
        chromium.resize(width)
        chromium.open(path)
        chromium.value("[...document.querySelectorAll('details')].slice(0, 8).forEach(details => details.open = true)")
        assert chromium.value(BROKEN) == []
        assert chromium.value("document.documentElement.scrollWidth <= innerWidth")
        cards = chromium.value("getComputedStyle(document.querySelector('.map tr')).display === 'block'")
        assert cards is (width == 400)
    chromium.resize(None)
    chromium.prefer("light")


def test_many_providers_are_shown_as_cards_on_a_wide_screen_too(chromium: Browser, tmp_path: Path) -> None:
    found = [replace(result, provider=f"provider_{n % 12:02}") for n, result in enumerate(results(48))]
    found.sort(key=lambda result: (result.account, result.provider))
    path = tmp_path / "keys.html"
    write_whole(str(path), page(*run_of(found)))
    chromium.resize(1280)
    chromium.open(path)
    assert chromium.value("document.documentElement.scrollWidth <= innerWidth")
    assert chromium.value("getComputedStyle(document.querySelector('.map tr')).display") == "block"
    assert chromium.value("document.querySelector('.map .none').offsetParent") is None
    chromium.resize(None)


def test_the_next_steps_name_the_accounts_and_link_to_their_rows(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 500))
    groups = chromium.value("[...document.querySelectorAll('.steps li')].map(step => step.innerText)")
    assert len(groups) == 6
    assert all(text.count("account-") == 10 and text.endswith(" more") for text in groups)
    chromium.value("document.querySelector('#f-valid').click()")
    target = "document.querySelector('.steps a[href^=\"#account-\"]')"
    account = chromium.value(f"{target}.innerText")
    chromium.value(f"{target}.click()")
    assert chromium.value("document.querySelector('tr:target th').innerText") == account
    assert chromium.value("document.querySelector('tr:target').offsetParent !== null")
    assert chromium.value("document.querySelector('.steps a[rel]').href").startswith("https://elevenlabs.io/")


def test_a_url_of_another_site_than_the_providers_is_not_a_link(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 20, words="look at https://evil.example/login or https://help.elevenlabs.io/keys"))
    hosts = chromium.value("[...new Set([...document.links].map(link => link.host))].sort()")
    assert hosts == ["", "elevenlabs.io", "help.elevenlabs.io"]


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
    assert chromium.value("document.activeElement.closest('.steps') !== null")
    links = chromium.value("document.querySelectorAll('.steps a').length")
    for _ in range(links):
        chromium.press("Tab")
    assert chromium.value(focused) == "SUMMARY"
    chromium.press("Enter")
    assert chromium.value("document.activeElement.parentElement.open")
    assert chromium.value("document.activeElement.parentElement.querySelector('dl').offsetHeight") > 0


def test_a_screen_reader_finds_headings_tables_and_names(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 20))
    found = chromium.accessible()
    assert ("heading", "Provider keys") in found
    assert ("table", "Accounts by providers. Select a cell for details.") in found
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
