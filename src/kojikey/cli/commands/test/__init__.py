"""``kojikey test``: one key or thousands, and how such a run ends."""
