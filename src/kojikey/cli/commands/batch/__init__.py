"""``kojikey add --batch`` and ``kojikey rotate --batch``: many keys from a file."""
