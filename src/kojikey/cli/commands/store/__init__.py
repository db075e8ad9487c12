"""``kojikey store``: its commands, one module each."""
