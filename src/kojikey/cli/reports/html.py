"""The page of ``--html``: one file, accounts by providers, for people who were not there.

Owns: its words and structure; ``html_style.py`` has its looks. It has no script at all: filters are radio buttons and
CSS, details are ``<details>``, so that a policy in the page can forbid everything else, and no text in it can run.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import groupby

from kojikey.cli.reports.as_json import groups_of
from kojikey.cli.reports.html_style import STYLE
from kojikey.cli.reports.sink import Ending
from kojikey.cli.reports.spool import Rows
from kojikey.model.ref import Document

MARKS = {"valid": "✓", "limited": "!", "rejected": "✗", "indeterminate": "?", "unopened": "⊘"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(ending: Ending, rows: Rows) -> Iterator[str]:
    """Yield the page in pieces."""
    providers, counts, due, accounts = _survey(rows)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_title(counts)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
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


def _head(ending: Ending, tested: int, accounts: int) -> Iterator[str]:
    yield (
        f"<p>{_count(tested, 'key')} of {_count(accounts, 'account')}, tested from {_time(ending.began_at)} "
        f"in {ending.seconds:.0f} s.</p>\n"
    )
    if ending.error:
        yield f'<p role="status" class="error">{text(str(ending.error["message"]))}</p>\n'
    if ending.left:
        yield f'<p class="error">{_count(ending.left, "key")} not tested.</p>\n'


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


def _steps(ending: Ending) -> Iterator[str]:
    groups = groups_of(ending.tally)
    if not groups:
        return
    yield '<section aria-labelledby="steps"><h2 id="steps">What to do</h2>\n<table class="steps">\n<thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("Keys", "Provider", "Reason", "Next step"))
    yield "</tr></thead>\n<tbody>\n"
    for group in groups:
        mark = f'<span aria-hidden="true">{MARKS[group["outcome"]]}</span>'
        reason = f"{mark} {group['outcome']}: {text(group['reason'])}"
        cells = (str(group["count"]), text(group["provider"]), reason, text(group["next"]))
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
    yield "</tbody></table></section>\n"


def _table(rows: Rows, providers: list[str], accounts: int) -> Iterator[str]:
    yield '<section aria-labelledby="keys"><h2 id="keys" tabindex="-1">Keys</h2>\n'
    if not accounts:
        yield "<p>No key was tested.</p></section>\n"
        return
    yield '<table class="map">\n<caption>Accounts by providers. Each cell opens for details.</caption>\n<thead><tr>'
    yield '<th scope="col">Account</th>'
    yield "".join(f'<th scope="col">{text(provider)}</th>' for provider in providers)
    yield "</tr></thead>\n<tbody>\n"
    for account, group in groupby(rows(), key=lambda row: row["account"]):
        yield _line(account, {row["provider"]: row for row in group}, providers)
    yield "</tbody></table></section>\n"


def _line(account: str, keys: dict[str, Document], providers: list[str]) -> str:
    classes = sorted({f"has-{row['outcome']}" for row in keys.values()})
    if any(row.get("rotation_due") for row in keys.values()):
        classes.append("has-due")
    cells = "".join(_cell(keys[provider]) if provider in keys else _NO_KEY for provider in providers)
    return f'<tr class="{" ".join(classes)}"><th scope="row">{text(account)}</th>{cells}</tr>\n'


_NO_KEY = '<td class="none"><span class="quiet">no key tested</span></td>'


def _cell(row: Document) -> str:
    outcome = row["outcome"]
    words = outcome if outcome in ("valid", "unopened") else f"{outcome}: {row['reason']}"
    due = ' <span class="due">rotation due</span>' if row.get("rotation_due") else ""
    summary = f'<summary><span aria-hidden="true">{MARKS[outcome]}</span> {text(words)}{due}</summary>'
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(row) if value)
    return f'<td class="{outcome}"><details>{summary}<dl>{facts}</dl></details></td>'


def _facts(row: Document) -> Iterator[tuple[str, str]]:
    yield "Why", text(row["detail"])
    if row["outcome"] != "valid":
        yield "Next", text(row["hint"])
        yield "Page", _link(row.get("manage_url") or "")
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


def _link(url: str) -> str:
    if not url.startswith("https://"):
        return ""
    return f'<a href="{text(url)}" rel="noreferrer noopener">{text(url)}</a>'


def _time(stamp: str) -> str:
    return f'<time datetime="{text(stamp)}">{text(stamp.replace("T", " ").replace("Z", " UTC"))}</time>'


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def text(value: str) -> str:
    """Return a text that is only text in the page, in an attribute too; what can not be printed is replaced."""
    return html.escape("".join(character if character.isprintable() else "\ufffd" for character in value))
