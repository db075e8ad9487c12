"""The page of ``--html``: one file with a table of accounts and providers, for people who did not run the command.

Owns: its text and structure; ``html_style.py`` has its style. The page has no script: filters are radio buttons and
CSS, details are ``<details>``. So its content security policy forbids all scripts, and no text in it can run.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import groupby
from urllib.parse import quote, urlsplit

from kojikey.cli.exits import hint_of
from kojikey.cli.reports.base import Group, Rows, RunEnd
from kojikey.cli.reports.html_style import style
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document
from kojikey.model.verdict import Outcome

MARKS = {"valid": "✓", "limited": "!", "rejected": "✗", "indeterminate": "?", "unopened": "⊘"}
_URL = re.compile(r"(https://[^\s<>\"']*[^\s<>\"'.,;:!?)])")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
_LONGEST_PART = 24
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(ending: RunEnd, rows: Rows) -> Iterator[str]:
    """Yield the HTML of the page in pieces."""
    providers, counts, due, accounts = _survey(rows)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_title(counts)}</title>\n<style>{style(len(providers))}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#keys">Skip to the keys</a>\n<header>\n<h1>Provider keys</h1>\n'
    )
    yield from _head(ending, sum(counts.values()), accounts)
    yield from _filters(counts, due)
    yield "</header>\n<main>\n"
    yield from _steps(ending)
    yield from _table(rows, providers, accounts)
    yield "</main>\n</body>\n</html>\n"


def _survey(rows: Rows) -> tuple[list[str], dict[str, int], int, int]:
    providers: set[str] = set()
    counts = dict.fromkeys(MARKS, 0)
    due = accounts = 0
    last = None
    for row in rows():
        providers.add(row["provider"])
        counts[row["outcome"]] += 1
        due += bool(row.get("rotation_due"))
        accounts += row["account"] != last
        last = row["account"]
    return sorted(providers), counts, due, accounts


def _title(counts: dict[str, int]) -> str:
    bad = sum(count for outcome, count in counts.items() if outcome != "valid")
    return f"{bad} of {sum(counts.values())} provider keys are not valid"


def _head(ending: RunEnd, tested: int, accounts: int) -> Iterator[str]:
    yield (
        f"<p>{counted(tested, 'key')} of {counted(accounts, 'account')}, tested from {_time(ending.began_at)} "
        f"in {ending.seconds:.0f} s.</p>\n"
    )
    if ending.error:
        yield f'<p role="status" class="error">{text(ending.error.message)}</p>\n'
    if ending.left:
        yield f'<p class="error">{counted(ending.left, "key")} not tested.</p>\n'


def _filters(counts: dict[str, int], due: int) -> Iterator[str]:
    shown = {"all": ("All", sum(counts.values())), **{name: (name.capitalize(), n) for name, n in counts.items() if n}}
    if due:
        shown["due"] = ("Rotation due", due)
    yield '<fieldset class="filters"><legend>Show accounts with a key that is</legend>\n'
    for name, (label, count) in shown.items():
        checked = " checked" if name == "all" else ""
        mark = f'<span aria-hidden="true">{MARKS[name]}</span> ' if name in MARKS else ""
        yield (
            f'<label class="{name}"><input type="radio" name="filter" id="f-{name}"{checked}>{mark}{label} '
            f"<b>{count}</b></label>\n"
        )
    yield "</fieldset>\n"


def _steps(ending: RunEnd) -> Iterator[str]:
    groups, unopened = ending.tally.worst_first(), ending.tally.first_unopened
    if not groups and unopened is None:
        return
    yield '<section aria-labelledby="steps"><h2 id="steps">What to do</h2>\n<ol class="steps">\n'
    for group in groups:
        yield from _step(group)
    if unopened is not None:
        hint = text(str(hint_of(unopened.error)))
        keys = counted(ending.tally.unopened, "key")
        yield f'<li class="unopened"><h3>{_mark("unopened")} {keys}: the record does not open</h3><p>{hint}</p></li>\n'
    yield "</ol></section>\n"


def _step(group: Group) -> Iterator[str]:
    outcome = group.outcome.value
    keys = f"{group.count} {text(group.provider)} key" + ("" if group.count == 1 else "s")
    yield f'<li class="{outcome}"><h3>{_mark(outcome)} {keys}: {outcome}: {text(group.reason)}</h3>\n'
    page_url = group.first.verdict.manage_url
    yield f"<p>{_linked(group.step, page_url)}</p>\n"
    if group.outcome is not Outcome.INDETERMINATE and page_url and page_url not in group.step:
        yield f"<p>Page: {_link(page_url)}</p>\n"
    links = ", ".join(f'<a href="#{_anchor(name)}"{_label(name)}>{_name(name)}</a>' for name in group.accounts)
    more = f" and {group.unnamed} more" if group.unnamed else ""
    yield f"<p>Accounts: {links}{more}</p></li>\n"


def _mark(outcome: str) -> str:
    return f'<span aria-hidden="true">{MARKS[outcome]}</span>'


def _table(rows: Rows, providers: list[str], accounts: int) -> Iterator[str]:
    yield '<section aria-labelledby="keys"><h2 id="keys" tabindex="-1">Keys</h2>\n'
    if not accounts:
        yield "<p>No key was tested.</p></section>\n"
        return
    # The roles are explicit because a screen reader finds no table in one that is laid out as cards.
    yield '<table class="map" role="table">\n<caption>Accounts by providers. Select a cell for details.</caption>\n'
    yield '<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Account</th>'
    yield "".join(f'<th scope="col" role="columnheader">{text(provider)}</th>' for provider in providers)
    yield '</tr></thead>\n<tbody role="rowgroup">\n'
    for account, group in groupby(rows(), key=lambda row: row["account"]):
        yield _line(account, {row["provider"]: row for row in group}, providers)
    yield "</tbody></table></section>\n"


def _line(account: str, keys: dict[str, Document], providers: list[str]) -> str:
    classes = sorted({f"has-{row['outcome']}" for row in keys.values()})
    if any(row.get("rotation_due") for row in keys.values()):
        classes.append("has-due")
    cells = "".join(_cell(keys[provider]) if provider in keys else _NO_KEY for provider in providers)
    head = f'<th scope="row" role="rowheader"{_label(account)}>{_name(account)}</th>'
    return f'<tr role="row" id="{_anchor(account)}" class="{" ".join(classes)}">{head}{cells}</tr>\n'


_NO_KEY = '<td role="cell" class="none"><span class="quiet">no key tested</span></td>'


def _cell(row: Document) -> str:
    outcome = row["outcome"]
    label = outcome if outcome in ("valid", "unopened") else f"{outcome}: {row['reason']}"
    due = ' <span class="due">rotation due</span>' if row.get("rotation_due") else ""
    where = f'<span class="provider">{text(row["provider"])} </span>'
    summary = f"<summary>{where}{_mark(outcome)} {text(label)}{due}</summary>"
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(row) if value)
    return f'<td role="cell" class="{outcome}"><details>{summary}<dl>{facts}</dl></details></td>'


def _facts(row: Document) -> Iterator[tuple[str, str]]:
    yield "Why", text(row["detail"])
    if row["outcome"] != "valid":
        yield "Next", _linked(row["hint"], row.get("manage_url") or "")
        page_url = row.get("manage_url") or ""
        yield "Page", _link(page_url) if page_url not in row["hint"] else ""
    version = f", version {row['version']}" if row.get("version") else ""
    yield "Key", text(row["masked"]) + version if row["masked"] else ""
    yield "Tested", _time(row["tested_at"]) if row.get("tested_at") else ""
    if row["outcome"] != "valid":
        yield "Last valid", _time(row["last_valid_at"]) if row.get("last_valid_at") else ""
    yield "Expires", _time(row["expires_at"]) if row.get("expires_at") else ""
    failed = [f"{text(c['name'])}: {text(c['reason'])}" for c in row.get("checks", ()) if c["outcome"] != "valid"]
    yield "Checks", ", ".join(failed)
    if row.get("recorded") is False and row.get("version"):
        yield "Note", "this outcome was not recorded"


def _name(account: str) -> str:
    """Return an account's name, with places for a line break in a long one: after separators, and in long parts."""
    if len(account) <= _LONGEST_PART:
        return text(account)
    parts = re.findall(rf"[^.@_+]{{1,{_LONGEST_PART}}}[.@_+]*|[.@_+]+", account)
    return "<wbr>".join(map(text, parts))


def _label(account: str) -> str:
    """Return an attribute with the unbroken name for screen readers, for a name that ``_name`` breaks."""
    return f' aria-label="{text(account)}"' if len(account) > _LONGEST_PART else ""


def _anchor(account: str) -> str:
    return "account-" + quote(account, safe="")


def _linked(words: str, page: str) -> str:
    """Return a text in which URLs on the same site as the provider's ``page`` are links, and no others."""
    site = _site(page)
    pieces = enumerate(_URL.split(words))  # every second one is a URL
    return "".join(_link(piece) if n % 2 and site and _site(piece) == site else _words(piece) for n, piece in pieces)


def _words(piece: str) -> str:
    """Return a text in which no line breaks after the dashes of an option."""
    return _OPTION.sub(r'<span class="whole">\g<0></span>', text(piece))


def _site(url: str) -> str:
    """Return the last two labels of a URL's host, for example ``google.com``; ``""`` without a host."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return ".".join(host.rsplit(".", 2)[-2:])


def _link(url: str) -> str:
    if not url.startswith("https://"):
        return ""
    return f'<a href="{text(url)}" rel="noreferrer noopener">{text(url)}</a>'


def _time(stamp: str) -> str:
    return f'<time datetime="{text(stamp)}">{text(stamp.replace("T", " ").replace("Z", " UTC"))}</time>'


def text(value: str) -> str:
    """Return the text escaped for HTML, also in attributes; characters that cannot be printed are replaced."""
    return html.escape("".join(character if character.isprintable() else "\ufffd" for character in value))
