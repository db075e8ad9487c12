"""Suggests a name only for a typing error or a common synonym, so that no suggestion is a guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_LONG = 7  # from this length on, a word with two slips is still the same word
_MOST_SLIPS = 2


def nearest(
    word: str, names: Iterable[str], *, synonyms: Mapping[str, str] | None = None, strict: frozenset[str] = frozenset()
) -> str | None:
    """Return the name that was likely meant, None if none is near enough or two are equally near.

    A name in ``strict`` (a command that deletes) is suggested only for one slip, however long the name is.
    """
    known = tuple(names)
    if synonyms and synonyms.get(word) in known:
        return synonyms[word]
    # A word of another length cannot be near enough, and the distance to a word of a million letters takes minutes.
    slips = {name: distance(word, name) for name in known if abs(len(word) - len(name)) <= _MOST_SLIPS}
    near = [name for name in slips if slips[name] <= _allowed(word, name, strict)]
    fewest = min((slips[name] for name in near), default=0)
    best = [name for name in near if slips[name] == fewest]
    return best[0] if len(best) == 1 else None


def _allowed(word: str, name: str, strict: frozenset[str]) -> int:
    shorter = min(len(word), len(name))
    if shorter < 2 or max(len(word), len(name)) < 3:
        return 0
    return 1 if name in strict or shorter < _LONG else _MOST_SLIPS


def distance(word: str, name: str) -> int:
    """Return the number of slips between two words: an extra, missing or wrong letter, or two swapped letters."""
    rows = [list(range(len(name) + 1))]
    for i, letter in enumerate(word, 1):
        row = [i]
        for j, other in enumerate(name, 1):
            slips = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == name[j - 2] and word[i - 2] == other:
                slips = min(slips, rows[i - 2][j - 2] + 1)
            row.append(slips)
        rows.append(row)
    return rows[-1][-1]
