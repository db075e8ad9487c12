"""The reports of a run of ``kojikey test``: on the terminal, as JSON, as files, and for a CI service.

Each writer is a :class:`~kojikey.cli.reports.base.Report`. Text in results may come from a provider and is hostile:
every writer escapes for its own format, even if the text should be clean already.
"""
