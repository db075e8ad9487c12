"""What a person or a script sees: text, tables, JSON documents, errors and suggested commands."""
