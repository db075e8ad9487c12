"""``kojikey run``: starts a program with the account's keys, masked or not."""
