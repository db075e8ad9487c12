"""``kojikey providers``: shows the supported providers, and what a test of their keys checks."""

from __future__ import annotations

from kojikey.cli.command import Arguments, Call, Command
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import OUTPUT, PROVIDERS
from kojikey.model.allocation import BUILT_IN
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.providers.definition import Definition

WORDS = Arguments("providers", "[PROVIDER]...", PROVIDERS.help, complete="provider_or_word")


def providers(call: Call) -> int:
    """Run ``kojikey providers`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.providers.index import RESERVED_IDS

    words = call[WORDS]
    if words[:1] and words[0] in RESERVED_IDS:
        return _run_subcommand(context_of(call), words)
    context = context_of(call)
    catalog = wiring.catalog(context.settings)
    for name in words:
        wiring.checked_provider(name, context.settings)
    chosen = [catalog.get(provider) for provider in words or catalog.ids()]
    if context.terminal.json:
        return documents.write("providers", 0, [_fields(definition) for definition in chosen])
    _show(context, chosen, in_full=bool(words))
    return 0


def _run_subcommand(context: Context, words: tuple[str, ...]) -> int:
    from kojikey.cli.commands import providers_own

    if words[0] == "check":
        return providers_own.check(context, providers_own.single_argument(words, "FILE"))
    if words[0] == "new":
        return providers_own.new(context, providers_own.single_argument(words, "ID"))
    if len(words) > 1:
        raise UsageError("providers schema takes no arguments", hint=next_step("providers", "schema"))
    return providers_own.schema()


def _fields(definition: Definition) -> Document:
    pages = definition.pages
    return {
        "provider": definition.id,
        "name": definition.name,
        "company": definition.company,
        "purpose": definition.purpose,
        "base_url": definition.base_url or None,
        "base_urls": dict(definition.base_urls),
        "env": list(definition.env),
        "base_url_env": definition.base_url_env or None,
        "capabilities": dict(definition.capabilities),
        "default_capabilities": list(definition.default_capabilities),
        "checks": _check_names(definition),
        "keys_page": pages.keys,
        "usage_page": pages.usage,
        "spending_limit_page": pages.spending_limit,
        "billing_page": pages.billing,
        "mints": _mints(definition),
        "admin_key": _admin_key(definition),
        "rotation": _rotation(definition),
    }


def _mints(definition: Definition) -> bool:
    from kojikey.providers.management import ability_of

    ability = ability_of(definition.id)
    return ability is not None and ability.creates


def _admin_key(definition: Definition) -> str | None:
    from kojikey.providers.management import ability_of

    ability = ability_of(definition.id)
    return (ability.admin or None) if ability else None


def _mint_cell(definition: Definition) -> str:
    """Return the table cell about creating keys through the provider's API."""
    from kojikey.providers.management import ability_of

    ability = ability_of(definition.id)
    if definition.admin_of:
        return f"manages {definition.admin_of}"
    if ability is None:
        return "no"
    return "yes" if ability.creates else "disables"


def _rotation(definition: Definition) -> str:
    """Return a sentence about what kojikey can do with keys through the provider's API."""
    from kojikey.providers.management import ability_of

    ability = ability_of(definition.id)
    if definition.admin_of:
        return f"this key manages the keys of {definition.admin_of}; programs get it only where it is named"
    if ability is None:
        return "no API creates or deletes keys: do it by hand, on the page above"
    using = {"": "a Google identity (GOOGLE_OAUTH_ACCESS_TOKEN, or kojikey[google])", definition.id: "the key itself"}
    return f"kojikey {ability.sentence}; it uses {using.get(ability.admin, ability.admin)}"


def _show(context: Context, chosen: list[Definition], *, in_full: bool) -> None:
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    if not in_full:
        for title, ours in (("with a built-in allocation", True), ("only with a key of your own", False)):
            rows = [(d.id, d.purpose, _mint_cell(d), d.pages.keys) for d in chosen if (d.id in BUILT_IN) is ours]
            page.line(title, style="bold")
            page.table(("PROVIDER", "USED FOR", "MINTS KEYS", "CREATE KEYS AT"), rows)
        context.terminal.note(Hint(next_step("providers", "PROVIDER"), " shows one in full"))
        return
    for definition in chosen:
        page.line(f"{definition.id}: {definition.name}", style="bold")
        page.pairs(_lines(definition))


def _check_names(definition: Definition) -> list[str]:
    """Return the names of a provider's checks, each once: ``--deep`` makes another request in place of the last one."""
    return list(dict.fromkeys(check.name for check in definition.checks))


def _lines(definition: Definition) -> list[tuple[str, str]]:
    regions = [f"{url} ({name})" for name, url in definition.base_urls.items()] or [definition.base_url_form]
    capabilities = [f"{name} ({words})" for name, words in definition.capabilities.items()]
    variables = list(definition.env) + ([definition.base_url_env] if definition.base_url_env else [])
    return [
        ("used for", definition.purpose),
        ("create keys at", definition.pages.keys),
        ("rotation", _rotation(definition)),
        ("usage", definition.pages.usage),
        ("spending limit", definition.pages.spending_limit),
        ("billing", definition.pages.billing),
        ("base URLs", ", ".join(regions)),
        ("environment", ", ".join(variables)),
        ("a test checks", ", ".join(_check_names(definition))),
        *([("capabilities", ", ".join(capabilities))] if capabilities else []),
        *([("by default", ", ".join(definition.default_capabilities))] if definition.default_capabilities else []),
    ]


COMMANDS = (
    Command(
        "providers",
        "show the supported providers: pages, variables, and what a test checks",
        providers,
        options=OUTPUT,
        arguments=(WORDS,),
        description="For a provider of your own: providers new ID writes a definition to fill in, providers check FILE "
        "lists every mistake in one with its line, and providers schema prints the JSON Schema for an editor.",
        examples=("kojikey providers", "kojikey providers elevenlabs", "kojikey providers check acme.toml"),
    ),
)
