"""In whose name a session writes: what people write of sounds is theirs, or everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.orm import aliased

from audiosearch.store.schema import Annotation

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute, Session

EVERYBODY: Final = ""  # whoever has no name here, and what belongs to all


def user_of(session: Session) -> str:
    """Whose the session is (`[user] name`)."""
    return str(session.info.get("user", EVERYBODY))


def own_users(session: Session) -> tuple[str, ...]:
    """Those whose annotations the session's user may change: everybody's and the user's own."""
    return tuple(dict.fromkeys((EVERYBODY, user_of(session))))


def counts_for(users: tuple[str, ...], mark: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether what an annotation has as `mark` counts for `own_users`.

    So does one's own, and everybody's where there is none of one's own.
    """
    user = users[-1]
    if user == EVERYBODY:
        return Annotation.user_name == EVERYBODY
    own = aliased(Annotation)
    has_own = exists().where(
        own.sound_id == Annotation.sound_id,
        own.start_s == Annotation.start_s,
        own.end_s == Annotation.end_s,
        own.user_name == user,
        getattr(own, mark.key).is_not(None),
    )
    return or_(Annotation.user_name == user, (Annotation.user_name == EVERYBODY) & ~has_own)
