"""``kojikey history``: shows a key's versions."""

from __future__ import annotations

from kojikey.cli.command import Call, Command
from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.context import context_of
from kojikey.cli.options import COMMON, KEY
from kojikey.model.next_step import finish_or_discard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.output.page import Cells, Page
    from kojikey.model.key import Version
    from kojikey.operations.results import HistoryResult


def history(call: Call) -> int:
    """Run ``kojikey history`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations import listing

    context = context_of(call)
    open_store = wiring.open_chosen_store(context.settings, None)
    provider = call[KEY] or choose_key(context, open_store)
    if open_store.find_key(context.account, provider) is None:
        wiring.checked_provider(provider, context.settings)
    result = listing.history(open_store.store, account=context.account, provider=provider)
    if context.terminal.json:
        key = {"account": context.account, "provider": provider}
        versions = [key | documents.version_fields(version) for version in result.versions]
        return documents.write("history", 0, versions)
    from kojikey.cli.output.page import Page

    _show(Page(context.terminal), result)
    return 0


def _show(page: Page, result: HistoryResult) -> None:
    """Print a key's versions. SAVED shows seconds, minutes or only the day, depending on the terminal's width."""
    columns = ("VER", "STAGE", "KEY", "FINGERPRINT", "SAVED", "LAST TEST")
    lengths = [len(shown) for shown in ("2026-11-23 04:47:00", "2026-11-23 04:47", "2026-11-23")]
    tables = [[_cells(page, version, length) for version in result.versions] for length in lengths]
    page.table(columns, page.first_fitting(columns, tables), head="version ")
    for version in result.versions:
        if version.at_provider is not None and version.at_provider.key_id:
            page.line(f"version {version.number} is {version.at_provider.key_id} at the provider", indent=2)
    if result.key.minting is not None:
        ways = page.terminal.completed(finish_or_discard(result.key.provider), account=result.key.account)
        page.line(f"a new key is being created at the provider: {ways}", indent=2)


def _cells(page: Page, version: Version, length: int) -> Cells:
    from kojikey.cli.output.verdict_page import last_test_cell

    saved = version.created_at.replace("T", " ")[:length]
    masked = page.terminal.masked(version.tail)
    test = last_test_cell(page, version.last_test)
    return [str(version.number), version.stage.value, masked, version.fingerprint, saved, test]


COMMANDS = (
    Command(
        "history",
        "show a key's versions, with their times, fingerprints and test outcomes",
        history,
        options=COMMON,
        arguments=(KEY,),
        description="The fingerprint shows whether two versions are the same key, without opening either.",
        examples=("kojikey history elevenlabs",),
    ),
)
