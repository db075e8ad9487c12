"""Operations on a whole store: create, describe, diagnose, re-key and copy it, manage its accounts and recipients."""
