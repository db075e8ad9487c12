"""The commands, a module or a folder each; ``kojikey.cli.registry`` says which module has which."""
