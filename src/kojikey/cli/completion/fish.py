"""The completion script for fish (3.1 or newer)."""

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

_HEAD = r"""# kojikey completion for fish. Made by: python -m kojikey.cli.completion fish

# The words before the cursor, without the program.
function __kojikey_words
    set -l words (commandline -opc)
    set -e words[1]
    string join \n -- $words
end

# True where no command was typed yet.
function __kojikey_at_start
    set -l words (__kojikey_words)
    not string match -qv -- '-*' $words
end

# True within a command, or right after a group of commands: __kojikey_in store, __kojikey_in store init
function __kojikey_in
    set -l words (__kojikey_words)
    set -l length (count $argv)
    test (count $words) -ge $length; or return 1
    set -l first $words[1..$length]
    test "$first" = "$argv"
end

# True right after a group of commands.
function __kojikey_at_group
    __kojikey_in $argv; and test (count (__kojikey_words)) -eq (count $argv)
end

# How many arguments a command has so far; $argv[1] is its length in words, the rest are options that take a value.
function __kojikey_arguments
    set -l words (__kojikey_words)
    set -l count 0
    set -l skip $argv[1]
    for word in $words
        if test $skip -gt 0
            set skip (math $skip - 1)
        else if contains -- $word $argv[2..-1]
            set skip 1
        else if not string match -q -- '-*' $word
            set count (math $count + 1)
        end
    end
    echo $count
end

# The account and the store that were typed so far, for what depends on them.
function __kojikey_context
    set -l words (__kojikey_words)
    set -l take 0
    for word in $words
        if test $take -eq 1; or string match -qr -- '^--(account|store)=' $word
            echo $word
            set take 0
        else if contains -- $word --account -a --store -s
            echo $word
            set take 1
        end
    end
end

function __kojikey_offer
    set -l program (commandline -opc)[1]
    if string match -q -- '~/*' $program
        set program $HOME(string sub -s 2 -- $program)
    end
    set -l context (__kojikey_context)
    # An option whose value is under the cursor: nothing is known of it yet.
    if contains -- "$context[-1]" --account -a --store -s
        set -e context[-1]
    end
    # Only plain words are offered, whatever the program says.
    $program complete $argv[1] $context </dev/null 2>/dev/null | string match -r -- '^[A-Za-z0-9][A-Za-z0-9._@+:/-]*$'
end

# Where the program begins that `run` starts: its place among the words, nothing where it has not begun.
function __kojikey_program
    set -l words (__kojikey_words)
    set -l skip 1
    set -l place 0
    for word in $words
        set place (math $place + 1)
        if test $skip -gt 0
            set skip (math $skip - 1)
        else if test "$word" = --
            math $place + 1
            return
        else if contains -- $word $argv
            set skip 1
        else if not string match -q -- '-*' $word
            echo $place
            return
        end
    end
    return 1
end

function __kojikey_pass_on
    set -l words (__kojikey_words)
    set -l begin (__kojikey_program $argv); or set -l begin (math (count $words) + 1)
    set -l typed (commandline -ct)
    set -l own
    if test $begin -le (count $words)
        set own $words[$begin..-1]
    end
    set -l line (string join ' ' -- (string escape -- $own) $typed)
    complete -C "$line"
end

complete -c kojikey -f
"""


def script() -> str:
    """Return the script."""
    lines = [
        f"complete -c kojikey -n __kojikey_at_start -a {word} -d {_quoted(about)}"
        for word, about in first_words().items()
    ]
    lines += [
        f"complete -c kojikey -n __kojikey_at_start -l {long[2:]} -s {short[1:]} -d {_quoted(about)}"
        for long, short, about in GLOBAL
    ]
    for group in GROUPS:
        lines += [
            f"complete -c kojikey -n '__kojikey_at_group {group}' -a {word} -d {_quoted(about)}"
            for word, about in group_words(group).items()
        ]
    for entry in entries():
        lines += ["", *_of(entry)]
    return _HEAD + "\n".join(lines) + "\n"


def _of(entry: Entry) -> list[str]:
    with_value = [spelling for option in entry.options if option.kind is not None for spelling in option.spellings]
    condition = f"__kojikey_in {entry.name}"
    if entry.passes_on:
        own = f"{condition}; and not __kojikey_program {' '.join(with_value)} >/dev/null"
        passed = f"complete -c kojikey -n '{condition}' -x -a '(__kojikey_pass_on {' '.join(with_value)})'"
        return [passed, *(_option(option, own) for option in entry.options)]
    lines = [_option(option, condition) for option in entry.options]
    if entry.argument:
        if not entry.takes_many:
            count = f"__kojikey_arguments {len(entry.name.split())} {' '.join(with_value)}"
            condition = f"{condition}; and test ({count}) -eq 0"
        lines.append(f"complete -c kojikey -n '{condition}' {_value(entry.argument)}")
    return lines


def _option(option: Offered, condition: str) -> str:
    short = f" -s {option.short[1:]}" if option.short else ""
    value = "" if option.kind is None else f" {_value(option.kind)}"
    return f"complete -c kojikey -n '{condition}' -l {option.long[2:]}{short}{value} -d {_quoted(option.help)}"


def _value(kind: str) -> str:
    if kind == NOTHING:
        return "-x"
    if kind == FILE:
        return "-r -F"
    if kind == VARIABLE:
        return "-x -a '(set -nx)'"
    if kind.startswith(CHOICES):
        return f"-x -a '{kind.removeprefix(CHOICES)}'"
    return f"-x -a '(__kojikey_offer {kind})'"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
