"""The completion script for zsh (5.0 or newer), a file ``_kojikey`` for a folder of ``fpath``."""

from __future__ import annotations

from kojikey.cli.completion import (
    CHOICES,
    FILE,
    GLOBAL,
    NOTHING,
    VARIABLE,
    Entry,
    Offered,
    entries,
    first_words,
    group_words,
)
from kojikey.cli.registry import GROUPS

_HEAD = r"""#compdef kojikey
# kojikey completion for zsh. Made by: python -m kojikey.cli.completion zsh

# Offers the values of a kind, asked of the program that is being completed.
_kojikey_offer() {
  local -a values context
  local word next=
  for word in ${kojikey_words[2,-1]}; do
    if [[ -n $next ]]; then context+=($next ${(Q)word}); next=; fi
    case $word in
      --account=*|--store=*) context+=(${(Q)word}) ;;
      --account|-a|--store|-s) next=$word ;;
    esac
  done
  values=(${(f)"$(${~kojikey_words[1]} complete $1 $context 2>/dev/null </dev/null)"})
  # Only plain words are offered, whatever the program says.
  setopt localoptions extendedglob
  values=(${(M)values:#[A-Za-z0-9][A-Za-z0-9._@+:/-]#})
  if [[ $1 == kek ]]; then compadd -S '' -a -- values; else compadd -a -- values; fi
}
"""
_DISPATCH = r"""
_kojikey() {
  # The words before the cursor, for what depends on them.
  local -a kojikey_words=("${(@)words[1,CURRENT-1]}")
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C \
GLOBAL    '1:command:_kojikey_commands' \
    '*::argument:->argument'
  case $state in
    argument) (( $+functions[_kojikey_of_${words[1]}] )) && _kojikey_of_${words[1]} ;;
  esac
}

_kojikey "$@"
"""
_GROUP = r"""
_kojikey_of_{group}() {{
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C '1:command:_kojikey_commands_{group}' '*::argument:->argument'
  case $state in
    argument) (( $+functions[_kojikey_of_{group}_${{words[1]}}] )) && _kojikey_of_{group}_${{words[1]}} ;;
  esac
}}
"""


def script() -> str:
    """Return the script."""
    options = "".join(
        f"    '(- *)'{{{long},{short}}}{_quoted(f'[{_escaped(about)}]')} \\\n" for long, short, about in GLOBAL
    )
    parts = [_HEAD, _PASSING, _commands("", first_words())]
    parts += [_commands(f"_{group}", group_words(group)) + _GROUP.format(group=group) for group in GROUPS]
    parts += [_of(entry) for entry in entries()]
    parts.append(_DISPATCH.replace("GLOBAL", options))
    return "".join(parts)


_PASSING = r"""
# Completes the program that `run` starts, as if it stood alone.
_kojikey_pass_on() {
  if (( CURRENT == 1 )); then _command_names -e; else _normal; fi
}
"""


def _commands(suffix: str, words: dict[str, str]) -> str:
    lines = "".join(f"    {_quoted(f'{word}:{about}')}\n" for word, about in words.items())
    return f"\n_kojikey_commands{suffix}() {{\n  local -a commands=(\n{lines}  )\n  _describe command commands\n}}\n"


def _of(entry: Entry) -> str:
    specs = [_option(option) for option in entry.options]
    if entry.passes_on:
        specs.append("'(-)*:::program: _kojikey_pass_on'")
    elif entry.argument is not None:
        place = "*" if entry.takes_many else "1"
        specs.append(_quoted(f"{place}:{entry.metavar}:{_action(entry.argument)}"))
    body = " \\\n".join(f"    {spec}" for spec in specs)
    return f"\n_kojikey_of_{entry.identifier}() {{\n  _arguments -s -S \\\n{body}\n}}\n"


def _option(option: Offered) -> str:
    many = "*" if option.is_repeatable else ""
    about = f"[{_escaped(option.help)}]"
    value = "" if option.kind is None else f":{_escaped(option.metavar)}:{_action(option.kind)}"
    if not option.short:
        equals = "" if option.kind is None else "="
        return _quoted(f"{many}{option.long}{equals}{about}{value}")
    excluded = "" if many else _quoted(f"({option.long} {option.short})")
    long = option.long if option.kind is None else f"{option.long}="
    star = _quoted("*") if many else ""
    return f"{excluded}{star}{{{long},{option.short}}}{_quoted(about + value)}"


def _action(kind: str) -> str:
    if kind == NOTHING:
        return " "
    if kind == FILE:
        return "_files"
    if kind == VARIABLE:
        return '_parameters -g "*export*"'
    if kind.startswith(CHOICES):
        return f"({kind.removeprefix(CHOICES)})"
    return f" _kojikey_offer {kind}"  # the space keeps _arguments from adding words of its own


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
