"""A definition with mistakes is refused with all of them at once, each with its key path."""

from __future__ import annotations

import pytest

from kojikey.model.errors import BadDefinition, UsageError
from kojikey.model.verdict import Reason
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition_file import parse
from support.each import each
from support.own_provider import ACME

GOOD = (
    ACME
    + """\
[auth]
header = "Authorization"
prefix = "Bearer "
[base_urls]
default = "https://api.acme.example/"
local = "http://127.0.0.1:8080/acme"
[[checks]]
name = "account"
path = "/v1/me"
expect = ["id"]
[[rules]]
words = ["bad_key"]
reason = "invalid_key"
"""
)


def problems_of(text: str) -> list[str]:
    with pytest.raises(BadDefinition) as caught:
        parse(text, "acme.toml")
    assert caught.value.path == "acme.toml"
    return list(caught.value.problems)


def test_a_minimal_definition_is_valid() -> None:
    definition = parse(GOOD, "acme.toml")
    assert definition.id == "acme_speech"
    assert definition.base_url == "https://api.acme.example"
    assert definition.base_urls["local"] == "http://127.0.0.1:8080/acme"
    assert definition.auth_prefix == "Bearer "
    assert definition.rules[0].reason is Reason.INVALID_KEY
    assert definition.checked_capabilities() == ()


def test_aliases_of_a_key_are_read() -> None:
    more = 'aliases = ["ACME_TOKEN"]\nllm = ["acme"]\n'
    definition = parse(GOOD.replace("[auth]", f"{more}[auth]"), "acme.toml")
    assert (definition.env, definition.aliases, definition.llm_names) == (("ACME_API_KEY",), ("ACME_TOKEN",), ("acme",))


def test_an_alias_cannot_be_a_variable_that_changes_how_programs_run() -> None:
    (problem,) = problems_of(GOOD.replace("[auth]", 'aliases = ["LD_PRELOAD"]\n[auth]'))
    assert problem.startswith("env.aliases[1] is a variable that changes how programs run")


BAD = """
id = "Acme Speech"
name = 7
purpose = ""
colour = "blue"
permissions = ["a", "a", 3]
version_paths = ["v1", "/v1?x"]
[pages]
keys = "http://acme.example/keys"
usage = "https://acme.example/usage"
billing = "javascript:alert(1)"
[env]
key = ["ACME_API_KEY", "ACME_API_KEY", "acme-key"]
base_url = "ACME_API_KEY"
base_url_path = "v1"
aliases = ["acme-alias", "ACME_API_KEY"]
llm = ["Acme"]
[auth]
header = "Not A Header"
prefix = "two words "
[base_urls]
eu = "http://api.acme.example"
in = "https://user:pw@api.acme.example?x"
[capabilities]
default = ["fly"]
[capabilities.names]
speak = "speak"
[[shapes]]
name = "key"
regex = "acme_[a-z"
[[shapes]]
name = "key"
regex = "x"
[[checks]]
name = "account"
capability = "sing"
method = "DELETE"
path = "v1/me?key=1"
[[checks]]
name = "more"
path = "/v1/{thing}"
expect = { id = "word" }
when = "sometimes"
json = {}
form = {}
surprise = 1
[[checks.rules]]
reason = "invalid_key"
[[rules]]
words = "bad_key"
reason = "bad_mood"
[[rules]]
status = [99, 400]
message = "("
authentic = "maybe"
reason = "invalid_key"
page = "home"
detail = "{secret}"
yields_to = "nothing"
about = "weather"
key_shape = "unknown"
url_from = "activationUrl"
"""


def test_all_mistakes_are_listed_at_once() -> None:
    problems = problems_of(BAD)
    paths = [problem.split()[0] for problem in problems]
    for path in (
        "id", "name", "company", "purpose", "colour", "permissions", "pages.keys", "pages.spending_limit",
        "pages.billing", "env.key", "env.base_url", "auth.header", "auth.prefix", "base_urls.default", "base_urls.eu",
        "base_urls.in", "capabilities.default", "shapes[1].regex", "shapes", "checks[1].capability",
        "checks[1].method", "checks[1].path", "checks[1].expect", "checks[1]", "checks[2].path", "checks[2].when",
        "checks[2].form", "checks[2].surprise", "checks[2].rules[1].words", "rules[1].words", "rules[1].reason",
        "rules[2].status", "rules[2].message", "rules[2].authentic", "rules[2].page", "rules[2].detail",
        "rules[2].yields_to", "rules[2].about", "version_paths",
        "env.base_url_path", "env.aliases[1]", "env.aliases", "env.llm",
        "checks[2].expect.id", "rules[2].key_shape", "rules[2].url_hosts",
    ):  # fmt: skip
        assert path in paths, path
    assert all("pw" not in problem for problem in problems)


@each(
    ("old", "new", "path"),
    [
        ('id = "acme_speech"', 'id = "' + "a" * 33 + '"', "id"),
        ('id = "acme_speech"', 'id = "1acme"', "id"),
        ('"https://api.acme.example/"', '"ftp://api.acme.example"', "base_urls.default"),
        ('"http://127.0.0.1:8080/acme"', '"http://192.168.0.1"', "base_urls.local"),
        ('expect = ["id"]', "", "checks[1].expect"),
        ('expect = ["id"]', "expect = []", "checks[1].expect"),
        ("[[checks]]", '[checks]\n"x" = 1', "checks"),
        ('words = ["bad_key"]', "", "rules[1].words"),
    ],
)
def test_one_mistake_is_one_problem_at_its_path(old: str, new: str, path: str) -> None:
    assert path in [problem.split()[0] for problem in problems_of(GOOD.replace(old, new))]


@pytest.mark.parametrize("text", ["", "id = ", "= 1", "[[checks]", "\x00"])
def test_a_file_that_is_empty_or_not_toml_is_refused(text: str) -> None:
    assert problems_of(text)


def test_the_capabilities_of_a_bundled_definition_are_those_of_its_checks() -> None:
    for definition in load_catalog().all():
        assert set(definition.default_capabilities) <= set(definition.capabilities)
        assert definition.checks[0].name == "account"
        offered = {check.capability for check in definition.checks if check.capability}
        offered |= {state.capability for check in definition.checks for state in check.states if state.capability}
        assert offered == set(definition.capabilities)


def test_capabilities_are_checked_and_kept_in_order() -> None:
    definition = load_catalog().get("elevenlabs")
    assert definition.checked_capabilities() == ("text_to_speech",)
    wanted = ("voices_read", "text_to_speech", "voices_read")
    assert definition.checked_capabilities(wanted) == ("voices_read", "text_to_speech")
    with pytest.raises(UsageError, match="no capability"):
        definition.checked_capabilities(("fly",))


@each(
    "name",
    ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "PATH", "IFS", "ENV", "BASH_ENV", "PYTHONPATH", "PERL5OPT",
     "RUBYOPT", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "HTTPS_PROXY", "GIT_SSH_COMMAND", "KOJIKEY_KEK", "PYTHONSTARTUP"],
)  # fmt: skip
def test_a_key_cannot_be_put_under_a_name_that_changes_how_programs_run(name: str) -> None:
    for old, new in (('key = ["ACME_API_KEY"]', f'key = ["{name}"]'), ("[auth]", f'base_url = "{name}"\n[auth]')):
        (problem,) = problems_of(GOOD.replace(old, new))
        assert "changes how programs run" in problem
        assert name not in problem


def with_shape(regex: str) -> str:
    return GOOD.replace("[[checks]]", f"[[shapes]]\nname = 'key'\nregex = '{regex}'\n[[checks]]")


@pytest.mark.parametrize(
    "regex", ["(a+)+b", "(a|aa)+b", "(?:x?){30}y", "a?" * 30 + "a" * 30, ".*.*.*.*=", r"(a)\1+", "a" * 1001]
)
def test_a_shape_that_could_take_too_long_to_match_is_a_mistake(regex: str) -> None:
    (problem,) = problems_of(with_shape(regex))
    assert problem.startswith("shapes[1].regex ")


@each("regex", [".*", ".+", r"\S+", r"[\s\S]*", "[!-~]{8,}", "[A-Za-z0-9_.-]{20,}", "", "(?:)|.*"])
def test_a_shape_that_matches_keys_of_all_companies_is_a_mistake(regex: str) -> None:
    assert problems_of(with_shape(regex))[0].startswith("shapes[1].regex ")


@pytest.mark.parametrize("regex", ["acme_[a-z0-9]{20,}", "[0-9a-f]{40}", "sk-acme-.+", "(?:ak|bk)_[A-Za-z0-9_-]+=*"])
def test_a_shape_of_a_usual_form_is_accepted(regex: str) -> None:
    assert parse(with_shape(regex), "acme.toml").shapes[0].regex.pattern == regex


def test_a_rule_whose_expression_repeats_what_varies_is_a_mistake() -> None:
    (problem,) = problems_of(GOOD.replace('words = ["bad_key"]', "message = '(bad ?)+key'"))
    assert problem.startswith("rules[1].message repeats")


def test_a_key_longer_than_the_limit_is_matched_with_no_shape() -> None:
    definition = load_catalog().get("google_gemini")
    assert definition.shape_of("AQ." + "a" * 500) is not None
    assert definition.shape_of("AQ." + "a" * 600) is None


PASTED = "sk_0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d"


@each(
    ("old", "new"),
    [
        ('["ACME_API_KEY"]', f'["{PASTED}"]'),
        ('id = "acme_speech"', f'id = "{PASTED}"'),
        ('purpose = "transcription"', f'purpose = "transcription"\n{PASTED} = 1'),
        ('purpose = "transcription"', f'purpose = "x"\n{PASTED} = 1\n{PASTED} = 2'),
        ('header = "Authorization"', f'header = "Authorization: {PASTED}"'),
        ('local = "', f'{PASTED} = "ftp:'),
        ('words = ["bad_key"]', f'words = ["bad_key"]\ndetail = "{{{PASTED}}}"'),
        ('words = ["bad_key"]', f'message = "(?P<{PASTED}"'),
        ('words = ["bad_key"]', f'words = ["bad_key"]\nmetadata = {{ {PASTED} = 1 }}'),
        ('path = "/v1/me"', f'path = "/v1/{{{PASTED}}}"'),
        ('expect = ["id"]', f'expect = {{ {PASTED} = "word" }}'),
        ("[[rules]]", f'[capabilities]\ndefault = ["{PASTED}"]\n[capabilities.names]\nx = "y"\n[[rules]]'),
        ("[[rules]]", f"[[rules]]\n{PASTED}"),
    ],
)
def test_a_key_that_was_pasted_into_a_definition_is_not_printed(old: str, new: str) -> None:
    problems = problems_of(GOOD.replace(old, new, 1))
    assert problems
    assert not any(PASTED[start : start + 8] in str(problems) for start in range(len(PASTED) - 8))
