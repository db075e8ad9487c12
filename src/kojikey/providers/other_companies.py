"""The key shapes of companies without a definition, so that a key pasted at the wrong provider is never sent.

Sources: the providers' documentation, gitleaks' configuration and trufflehog's detectors, November 2026. More specific
shapes come first.
"""

from __future__ import annotations

import re

from kojikey.providers.definition import Definition

_SHAPES = (
    ("NVIDIA", r"nvapi-[A-Za-z0-9_-]{20,}"),
    ("Stripe", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("GitHub", r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"),
    ("GitLab", r"glpat-[A-Za-z0-9_.-]{16,}"),
    ("AWS", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    ("Slack", r"xox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("npm", r"npm_[A-Za-z0-9]{20,}"),
    ("PyPI", r"pypi-[A-Za-z0-9_-]{20,}"),
    ("SendGrid", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
)
_COMPILED = tuple((company, re.compile(regex)) for company, regex in _SHAPES)


def foreign_owner(key: str, *, at: Definition) -> str | None:
    """Return the company whose keys have this shape, None if there is none or it is the definition's own company."""
    owners = [company for company, regex in _COMPILED if regex.fullmatch(key)]
    return None if any(is_of(company, at) for company in owners) else next(iter(owners), None)


def is_of(company: str, definition: Definition) -> bool:
    """Return whether a definition belongs to a company.

    Names are compared by their beginnings: "OpenAI", "OpenAI, Inc." and "OpenAI API" are one company.
    """
    own = [_letters(name) for name in (definition.company, definition.name, definition.id)]
    return any(name.startswith(_letters(company)) for name in own)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
