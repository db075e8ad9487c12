"""Finds keys in files, in git's objects and in streams. Knows only the model, and displays no value."""
