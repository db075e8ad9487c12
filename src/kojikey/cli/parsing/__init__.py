"""Parsing a command line: the quick reader, Typer, and the guard against keys as arguments."""
