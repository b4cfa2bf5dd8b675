"""In whose name a session writes: what people write of sounds is theirs, or everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EVERYBODY: Final = ""  # whoever has no name here, and what belongs to all


def user_of(session: Session) -> str:
    """Whose the session is (`[user] name`)."""
    return str(session.info.get("user", EVERYBODY))


def own_users(session: Session) -> tuple[str, ...]:
    """Those whose annotations the session's user may change: everybody's and the user's own."""
    return tuple(dict.fromkeys((EVERYBODY, user_of(session))))
