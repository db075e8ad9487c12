"""``kojikey add --batch`` and ``kojikey rotate --batch``: save many keys from a file."""
