"""``kojikey list``: which rows, and their output."""
