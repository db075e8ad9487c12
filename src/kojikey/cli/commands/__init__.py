"""The commands, a module or a folder for each; ``kojikey.cli.registry`` lists them."""
