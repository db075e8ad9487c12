"""``kojikey providers``: what is supported, and what a test of a key there checks."""

from __future__ import annotations

from kojikey.cli.context import Context, context_of
from kojikey.cli.parsing.command import OUTPUT, PROVIDER, Call, Command
from kojikey.model.ref import Document

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.providers.definition import Definition


def providers(call: Call) -> int:
    """Carry out ``kojikey providers``."""
    from kojikey import wiring
    from kojikey.cli.output import documents

    context = context_of(call)
    catalog = wiring.catalog(context.settings)
    name = call.text("provider")
    if name is not None:
        wiring.checked_provider(name, context.settings)
    chosen = [catalog.get(provider) for provider in ([name] if name else catalog.ids())]
    if context.terminal.json:
        return documents.write("providers", 0, [_fields(definition) for definition in chosen])
    _show(context, chosen, whole=name is not None)
    return 0


def _fields(definition: Definition) -> Document:
    pages = definition.pages
    return {
        "provider": definition.id,
        "name": definition.name,
        "company": definition.company,
        "purpose": definition.purpose,
        "base_url": definition.base_url,
        "base_urls": dict(definition.base_urls),
        "env": list(definition.env),
        "base_url_env": definition.base_url_env or None,
        "capabilities": dict(definition.capabilities),
        "default_capabilities": list(definition.default_capabilities),
        "checks": [check.name for check in definition.checks],
        "keys_page": pages.keys,
        "usage_page": pages.usage,
        "spending_limit_page": pages.spending_limit,
        "billing_page": pages.billing,
    }


def _show(context: Context, chosen: list[Definition], *, whole: bool) -> None:
    from kojikey.cli.output.render import Page

    page = Page(context.terminal)
    if not whole:
        rows = [(definition.id, definition.purpose, definition.pages.keys) for definition in chosen]
        page.table(("PROVIDER", "USED FOR", "KEYS ARE MADE AT"), rows)
        context.terminal.note("kojikey providers PROVIDER shows one in full")
        return
    for definition in chosen:
        page.line(f"{definition.id}: {definition.name}", style="bold")
        page.pairs(_lines(definition))


def _lines(definition: Definition) -> list[tuple[str, str]]:
    regions = [f"{url} ({name})" for name, url in definition.base_urls.items()]
    capabilities = [f"{name} ({words})" for name, words in definition.capabilities.items()]
    variables = list(definition.env) + ([definition.base_url_env] if definition.base_url_env else [])
    return [
        ("used for", definition.purpose),
        ("make keys at", definition.pages.keys),
        ("usage", definition.pages.usage),
        ("spending limit", definition.pages.spending_limit),
        ("billing", definition.pages.billing),
        ("base URLs", ", ".join(regions)),
        ("environment", ", ".join(variables)),
        ("a test checks", ", ".join(dict.fromkeys(check.name for check in definition.checks))),
        *([("capabilities", ", ".join(capabilities))] if capabilities else []),
        *([("by default", ", ".join(definition.default_capabilities))] if definition.default_capabilities else []),
    ]


COMMANDS = (
    Command(
        "providers",
        "show the supported providers: pages, variables, and what a test checks",
        providers,
        options=OUTPUT,
        argument=PROVIDER._replace(required=False),
        examples=("kojikey providers", "kojikey providers elevenlabs"),
    ),
)
