"""Everything that a command prints: text, tables, JSON documents, errors and suggested commands."""
