"""``kojikey export``: the account's keys in formats that other programs read."""
