"""``kojikey run``: starts a program with the account's keys, and masks its output with ``--mask``."""
