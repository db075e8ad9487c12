"""The completion script for bash (4.4 or newer); needs no bash-completion, and uses it where it is loaded."""

from __future__ import annotations

from kojikey.cli.completion import Entry, entries, first_words, group_words
from kojikey.cli.registry import GROUPS

_HEAD = """\
# kojikey completion for bash. Made by: python -m kojikey.cli.completion bash

# What a command takes: its options, the kind of each option's value, and the kind of its arguments.
_kojikey_takes() {
  case "$1" in
"""
_BODY = r"""
# Offers the lines of standard input that begin with the word under the cursor. `compgen -W` would expand them: only
# what the shell takes as a plain word is offered, whatever the program says. With $1 it may begin with a dash.
_kojikey_among() {
  local LC_ALL=C line plain="^[A-Za-z0-9$1][A-Za-z0-9._@+:/-]*\$"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == "$current"* && $line =~ $plain ]]; then COMPREPLY+=("$line"); fi
  done
}

# Offers words of this script that are separated by spaces.
_kojikey_words() {
  local -a listed
  IFS=' ' read -r -a listed <<<"$1"
  _kojikey_among - < <(printf '%s\n' "${listed[@]}")
}

# Offers the values of a kind for the word under the cursor.
_kojikey_offer() {
  case "$1" in
    '') ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    variable) mapfile -t COMPREPLY < <(compgen -A export -- "$current") ;;
    choices:*) _kojikey_words "${1#choices:}" ;;
    *)
      _kojikey_among "" < <("$program" complete "$1" "${context[@]}" </dev/null 2>/dev/null)
      if [[ $1 == kek ]]; then compopt -o nospace 2>/dev/null; fi
      ;;
  esac
}

# Completes what another program is given, from word $1 on.
_kojikey_pass_on() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$current")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

_kojikey() {
  local program="${1/#\~/$HOME}" current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"
  local words="" options="" values="" argument="" many="" passes="" command="${COMP_WORDS[1]}" index=2 word
  local -a context=()
  COMPREPLY=()
  _kojikey_takes ""
  if ((COMP_CWORD == 1)); then
    _kojikey_words "$words $options"
    return
  fi
  words=""
  _kojikey_takes "$command"
  if [[ -n $words ]]; then
    if ((COMP_CWORD == 2)); then
      _kojikey_words "$words"
      return
    fi
    command="$command ${COMP_WORDS[2]}" index=3
    _kojikey_takes "$command"
  fi

  # bash makes words of its own of --option=value and file:path
  [[ $current == "=" || $current == ":" ]] && current=""
  if [[ $before == "=" ]]; then before="${COMP_WORDS[COMP_CWORD - 2]}"; fi
  if [[ $before == ":" && ${COMP_WORDS[COMP_CWORD - 2]} == file ]]; then _kojikey_offer file; return; fi

  local arguments=0 plain=""
  for ((; index < COMP_CWORD; index++)); do
    word="${COMP_WORDS[index]}"
    if [[ -z $plain && $word == -- ]]; then
      plain=1
      if [[ -n $passes ]]; then _kojikey_pass_on $((index + 1)); return; fi
    elif [[ -z $plain && $word == -* ]]; then
      if [[ $values == *" $word="* ]]; then
        [[ ${COMP_WORDS[index + 1]} == "=" ]] && ((index++))
        ((index++))
        case "$word" in
          --account | -a | --store | -s) context+=("$word" "${COMP_WORDS[index]}") ;;
        esac
      fi
    elif [[ -n $passes ]]; then
      _kojikey_pass_on "$index"
      return
    else
      ((arguments++))
    fi
  done
  # An option whose value is under the cursor has lost it to the context above: nothing is known of it yet.
  if ((index > COMP_CWORD && ${#context[@]})); then context=("${context[@]:0:${#context[@]} - 2}"); fi

  if [[ -z $plain && $values == *" $before="* ]]; then
    local kind="${values#* "$before"=}"
    kind="${kind%% *}"
    _kojikey_offer "${kind//,/ }"
  elif [[ -z $plain && $current == -* ]]; then
    _kojikey_words "$options"
  elif [[ -n $passes ]]; then
    _kojikey_pass_on "$COMP_CWORD"
  elif [[ -n $many ]] || ((arguments == 0)); then
    _kojikey_offer "$argument"
  fi
}

complete -F _kojikey kojikey
"""


def script() -> str:
    """Return the script."""
    cases = [f"    '') words='{' '.join(first_words())}' options='--help -h --version -V' ;;"]
    cases += [f"    {group}) words='{' '.join(group_words(group))}' ;;" for group in GROUPS]
    cases += [_case(entry) for entry in entries()]
    return _HEAD + "\n".join(cases) + "\n  esac\n}\n" + _BODY


def _case(entry: Entry) -> str:
    options = " ".join(spelling for option in entry.options for spelling in option.spellings)
    kinds = [
        f"{spelling}={option.kind.replace(' ', ',')}"
        for option in entry.options
        if option.kind is not None
        for spelling in option.spellings
    ]
    more = "".join(
        part
        for part, holds in ((" many=1", entry.takes_many), (" passes=1", entry.passes_on))
        if holds
    )  # fmt: skip
    return (
        f"    '{entry.name}')\n"
        f"      options='{options}'\n"
        f"      values=' {' '.join(kinds)} '\n"
        f"      argument='{entry.argument or ''}'{more}\n"
        "      ;;"
    )
