"""``kojikey add``: reads a key, tests it, then saves it."""

from __future__ import annotations

import sys

from kojikey.cli.command import COMMON, DEEP, PROVIDER, SAVING, SOURCES, Call, Command
from kojikey.cli.desk import Desk, desk_of
from kojikey.model.allocation import BUILT_IN
from kojikey.model.errors import InputNeeded, UsageError


def add(call: Call) -> int:
    """Carry out ``kojikey add``."""
    from kojikey.cli import saving, wiring
    from kojikey.cli.advice import for_unsaved
    from kojikey.operations.adding import NewKey, ensure_absent
    from kojikey.operations.adding import add as add_key
    from kojikey.operations.trial import Target

    desk = desk_of(call)
    catalog = wiring.catalog(desk.settings)
    provider = call.text("provider") or _choose(desk)
    wiring.checked_provider(provider, desk.settings)
    definition = catalog.get(provider)
    settings = saving.settings_of(desk, definition)
    base_url = definition.checked_base_url(settings.base_url)
    tester = wiring.make_tester(definition, desk.terminal, call)
    if not call.flag("no_test"):
        wiring.check_network(settings.base_url or definition.base_url)
    seen = wiring.open_custody(desk.settings, desk.terminal)
    ensure_absent(seen, account=desk.account, provider=provider)
    secret = saving.read_clean_key(desk, definition, catalog)
    seen.close()

    custody = wiring.open_or_make_custody(desk.settings, desk.terminal)
    target = Target(
        provider,
        base_url,
        settings.models or (),
        settings.capabilities or definition.default_capabilities,
    )
    test = None if call.flag("no_test") else tester
    approve = saving.Approval(desk, saving="save it", advice=for_unsaved(provider, has_key=False))
    result = add_key(custody, NewKey(desk.account, target, secret, settings), test=test, approve=approve)
    if result.action is None:
        lines = ["nothing was saved"]
        if result.verdict and result.verdict.outcome.value in ("limited", "indeterminate"):
            option = "--allow-limited" if result.verdict.outcome.value == "limited" else "--allow-unverified"
            lines.append(f"to save it all the same: {option}")
    else:
        lines = [
            f"saved as version 1 for account {desk.account}, sealed in {custody.store.place}",
            f"used for {definition.purpose}; {definition.company} bills it" + _not_koji(provider),
            *(["not tested: kojikey test " + provider] if result.verdict is None else []),
            f"next: kojikey list, kojikey run -- CMD, kojikey rotate {provider}",
        ]
    return saving.show(desk, result, lines, approval=approve)


def _not_koji(provider: str) -> str:
    return ", Koji does not" if provider in BUILT_IN else ""


def _choose(desk: Desk) -> str:
    """Offer the providers by number.

    Raises:
        InputNeeded: nobody may be asked. UsageError: the answer is none of them.
    """
    from kojikey.cli import wiring

    index = wiring.provider_index(desk.settings)
    if not desk.terminal.interactive:
        raise InputNeeded(
            f"a provider is needed, and {desk.terminal.why_unasked}; nothing was changed",
            hint="kojikey add PROVIDER, one of " + ", ".join(index),
        )
    for number, (name, entry) in enumerate(index.items(), 1):
        print(f"  {number}  {name:<16} {entry.purpose}", file=sys.stderr)
    answer = desk.terminal.answer(f"Which provider? [1-{len(index)}] ").strip()
    if answer in index:
        return answer
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(index):
        return list(index)[int(answer) - 1]
    raise UsageError("that is none of the providers; nothing was changed", hint="kojikey add")


COMMANDS = (
    Command(
        "add",
        "read a key, test it, then save it",
        add,
        options=(*COMMON, *SOURCES, *SAVING, DEEP),
        argument=PROVIDER._replace(required=False, help="the provider; a numbered choice where none is named"),
        description="The key comes from a hidden prompt, or from one of --stdin, --from-env and --from-file. "
        "There is no way to pass it as an argument.",
        examples=(
            "kojikey add google_gemini",
            "kojikey add elevenlabs --capability text_to_speech --capability voices_read",
            "kojikey add google_gemini --account acme --from-env NEW_KEY --no-input",
        ),
    ),
)
