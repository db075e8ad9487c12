"""The reports of a run of ``kojikey test``: on the terminal, as JSON, as files, and for a CI service.

Each one is a :class:`~kojikey.cli.reports.base.Report`. Text in results may come from a provider and is hostile:
every report escapes it for its own format, although it was checked where it was read.
"""
