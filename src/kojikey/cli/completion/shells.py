"""The shells that have a completion script, and the steps that load each script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kojikey.cli.completion import bash, fish, powershell, zsh


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell: the name of its script's file, the function that returns the script, and the steps that load it."""

    file: str
    script: Callable[[], str]
    steps: tuple[str, ...]


SHELLS: dict[str, Shell] = {
    "bash": Shell(
        "kojikey.bash",
        bash.script,
        (
            "mkdir -p ~/.local/share/bash-completion/completions",
            "kojikey completion bash > ~/.local/share/bash-completion/completions/kojikey",
            "or, without the package bash-completion, this line in ~/.bashrc:",
            "source <(kojikey completion bash)",
        ),
    ),
    "zsh": Shell(
        "_kojikey",
        zsh.script,
        (
            "mkdir -p ~/.zsh/completions && kojikey completion zsh > ~/.zsh/completions/_kojikey",
            "in ~/.zshrc: fpath=(~/.zsh/completions $fpath); autoload -Uz compinit; compinit",
        ),
    ),
    "fish": Shell(
        "kojikey.fish",
        fish.script,
        (
            "mkdir -p ~/.config/fish/completions",
            "kojikey completion fish > ~/.config/fish/completions/kojikey.fish",
        ),
    ),
    "powershell": Shell(
        "kojikey.ps1",
        powershell.script,
        ("in the file that $PROFILE names: kojikey completion powershell | Out-String | Invoke-Expression",),
    ),
}
