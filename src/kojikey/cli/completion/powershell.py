"""The completion script for PowerShell (5.1 or newer)."""

from __future__ import annotations

from kojikey.cli.completion import Entry, entries, first_words, group_words
from kojikey.cli.registry import GROUPS

_HEAD = """\
# kojikey completion for PowerShell. Made by: python -m kojikey.cli.completion powershell

Register-ArgumentCompleter -Native -CommandName kojikey -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commands = @{
"""
_BODY = """\
    }

    # The words before the cursor, without the program.
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text } | Select-Object -Skip 1)
    $program = $commandAst.CommandElements[0].Extent.Text

    function Offer($values, $about) {
        foreach ($value in $values) {
            if ($value -and $value.StartsWith($wordToComplete)) {
                $text = if ($about -and $about[$value]) { $about[$value] } else { $value }
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $text)
            }
        }
    }

    function OfKind($kind, $context) {
        if ($kind -eq 'variable') { Offer @((Get-ChildItem env:).Name) }
        elseif ($kind -like 'choices:*') { Offer @($kind.Substring(8).Split(' ')) }
        elseif ($kind -and $kind -ne 'file') {
            # Only plain words are offered, whatever the program says.
            $found = @(& $program complete $kind @context 2>$null)
            Offer @($found | Where-Object { $_ -cmatch '^[A-Za-z0-9][A-Za-z0-9._@+:/-]*$' })
        }
    }

    if ($words.Count -eq 0) { return Offer @($commands[''].Words) $commands[''].About }
    $name = $words[0]
    $at = 1
    if (-not $commands.ContainsKey($name)) { return }
    if ($commands[$name].Words) {
        if ($words.Count -eq 1) { return Offer @($commands[$name].Words) $commands[$name].About }
        $name = "$name $($words[1])"
        $at = 2
        if (-not $commands.ContainsKey($name)) { return }
    }

    $takes = $commands[$name]
    $context = @()
    $arguments = 0
    $pending = $null
    for (; $at -lt $words.Count; $at++) {
        $word = $words[$at]
        if ($null -ne $pending) {
            if ($pending -in '--account', '-a', '--store', '-s') { $context += $pending, $word }
            $pending = $null
        }
        elseif ($word -eq '--') { if ($takes.PassesOn) { return } }
        elseif ($takes.Values.ContainsKey($word)) { $pending = $word }
        elseif (-not $word.StartsWith('-')) { if ($takes.PassesOn) { return }; $arguments++ }
    }
    if ($null -ne $pending) { return OfKind $takes.Values[$pending] $context }
    if ($wordToComplete.StartsWith('-')) { return Offer @($takes.Options) $takes.About }
    if ($takes.Many -or $arguments -eq 0) { return OfKind $takes.Argument $context }
}
"""


def script() -> str:
    """Return the script."""
    lines = [_words("", {**first_words(), "--help": "show help", "--version": "show the version"})]
    lines += [_words(group, group_words(group)) for group in GROUPS]
    lines += [_of(entry) for entry in entries()]
    return _HEAD + "".join(lines) + _BODY


def _words(name: str, words: dict[str, str]) -> str:
    return f"        {_quoted(name)} = @{{ Words = {_list(words)}; About = {_table(words)} }}\n"


def _of(entry: Entry) -> str:
    about = {spelling: option.help for option in entry.options for spelling in option.spellings}
    values = {
        spelling: option.kind
        for option in entry.options
        if option.kind is not None
        for spelling in option.spellings
    }  # fmt: skip
    members = (
        f"Options = {_list(about)}",
        f"About = {_table(about)}",
        f"Values = {_table(values)}",
        f"Argument = {_quoted(entry.argument or '')}",
        f"Many = ${'true' if entry.takes_many else 'false'}",
        f"PassesOn = ${'true' if entry.passes_on else 'false'}",
    )
    indented = "".join(f"            {member}\n" for member in members)
    return f"        {_quoted(entry.name)} = @{{\n{indented}        }}\n"


def _list(words: dict[str, str]) -> str:
    return f"@({', '.join(map(_quoted, words))})"


def _table(pairs: dict[str, str]) -> str:
    return "@{" + "; ".join(f"{_quoted(name)} = {_quoted(value)}" for name, value in pairs.items()) + "}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
