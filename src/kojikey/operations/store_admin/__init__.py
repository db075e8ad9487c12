"""A store as a whole: created, described, re-keyed, copied, its accounts and who may open it."""
