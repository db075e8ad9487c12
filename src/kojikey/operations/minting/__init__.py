"""Operations that create, disable and delete keys at their provider."""
