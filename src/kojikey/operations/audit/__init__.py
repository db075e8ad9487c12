"""The audit trail: listed, and verified."""
