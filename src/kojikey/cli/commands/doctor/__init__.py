"""``kojikey doctor``: its checks and how their findings are shown."""
