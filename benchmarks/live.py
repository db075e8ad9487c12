"""For maintainers: asks each real provider with a made-up key, and compares its answer with the recorded one.

    python benchmarks/live.py --yes-ask-the-real-providers [PROVIDER ...]

Providers change their answers to a bad key without notice. This makes the first, free request of each bundled
definition with a made-up key, and reports where the answer has another status or other members than the one that is
kept in ``src/kojikey/testing/answers``, or where the rules no longer find ``invalid_key`` in it. Exit 1 where any
differs. Never run it in CI: providers tolerate it once in a while, and no more. Nothing is saved, and no real key is
used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from kojikey.model.secret import Secret
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.answers.judge import judge
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Definition
from kojikey.providers.requests.exchange import Call, Exchange
from kojikey.testing.sandbox.sample_keys import made_up_key
from kojikey.testing.sandbox.scenarios import script_of

FLAG = "--yes-ask-the-real-providers"
TIMEOUT = 10.0


def main(arguments: list[str]) -> int:
    """Ask, compare and tell; refuse without the flag, and in CI."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(FLAG, action="store_true", dest="is_wanted")
    parser.add_argument("providers", nargs="*")
    options = parser.parse_args(arguments)
    if not options.is_wanted or os.environ.get("CI"):
        print(f"this asks real providers over the network: give {FLAG}, and not in CI", file=sys.stderr)
        return 2
    catalog = load_catalog()
    unknown = set(options.providers) - set(catalog.ids())
    if unknown:
        print("no such provider: " + ", ".join(sorted(unknown)), file=sys.stderr)
        return 2
    chosen = [catalog.get(name) for name in options.providers or catalog.ids()]
    return asyncio.run(compare([(definition, definition.base_url) for definition in chosen if definition.base_url]))


async def compare(places: list[tuple[Definition, str]]) -> int:
    """Ask at one base URL after the other, and return 1 where an answer differs from the recorded one."""
    code = 0
    for definition, base_url in places:
        differences = list(differences_of(definition, await ask(definition, base_url)))
        print(f"{definition.id}: " + ("; ".join(differences) or "as recorded"))
        code = 1 if differences else code
    return code


async def ask(definition: Definition, base_url: str) -> Answer | Fault:
    """Make the first request of a definition with a key of nobody, on a connection of its own."""
    exchange = Exchange()
    session = exchange.session(base_url)
    try:
        secret = Secret(made_up_key(definition.id, "invalid_key"))
        return await exchange.send(session, Call(definition, definition.checks[0], base_url, secret, {}, TIMEOUT))
    finally:
        session.close()
        await exchange.close()


def differences_of(definition: Definition, got: Answer | Fault) -> Iterator[str]:
    """Yield what is not as recorded."""
    if isinstance(got, Fault):
        yield f"no answer ({got.reason.value})"
        return
    recorded = script_of(definition.id).answers["invalid_key"]
    if got.status != recorded.status:
        yield f"status {got.status}, recorded {recorded.status}"
    found, expected = shape_of(got.body.decode("utf-8", "replace")), shape_of(recorded.body)
    if found != expected:
        yield f"members {sorted(found)}, recorded {sorted(expected)}"
    reason = judge(definition, definition.checks[0], got, key_shape=None).reason
    if reason.value != "invalid_key":
        yield f"the rules find {reason.value}"


def shape_of(text: str) -> set[str]:
    """Return the paths of the members of a JSON text, without their values."""
    try:
        return set(_paths(json.loads(text), ""))
    except ValueError:
        return {"(no JSON)"}


def _paths(node: Any, at: str) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield f"{at}.{name}"
            yield from _paths(value, f"{at}.{name}")
    elif isinstance(node, list):
        for value in node:
            yield from _paths(value, f"{at}[]")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
