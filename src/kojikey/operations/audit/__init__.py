"""Operations on the audit trail: list it, and verify it."""
