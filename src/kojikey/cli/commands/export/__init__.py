"""``kojikey export``: prints the account's keys in formats that other programs read."""
