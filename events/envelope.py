"""The versioned envelope round every event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from core.ids import new_id
from events.errors import EventTooLarge, PoisonEvent

VERSION: Final = 1
MAX_EVENT_BYTES: Final = 900_000  # under the 1,048,576 that brokers take by default, with room for batch headers

_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_DOTTED = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class Envelope(BaseModel):
    """One event. `key` is what order is kept by: events of one key are handled one after the other."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    version: Literal[1] = VERSION
    id: str = Field(default_factory=lambda: str(new_id()), pattern=_UUID)
    type: str = Field(pattern=_DOTTED, max_length=100)
    key: str = Field(min_length=1, max_length=500)
    occurred_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] = Field(default_factory=lambda: datetime.now(UTC))
    trace: dict[str, str] = Field(default_factory=dict)
    payload: dict[str, JsonValue] = Field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The wire form, UTF-8 JSON. Raises EventTooLarge, or ValueError for text that is not Unicode."""
        try:
            raw = self.model_dump_json().encode()
        except PydanticSerializationError as error:
            raise ValueError(f"event {self.id} holds what JSON cannot carry: {error}") from error
        if len(raw) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"event is {len(raw)} bytes, the limit is {MAX_EVENT_BYTES}", event_id=self.id)
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes | None) -> Envelope:
        """Read the wire form; fields of a later release are ignored. Raises PoisonEvent."""
        if not raw:
            raise PoisonEvent("it is empty")
        try:
            data: Any = from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise PoisonEvent("it is not JSON") from None
        if not isinstance(data, dict):
            raise PoisonEvent("it is not a JSON object")
        version = data.get("version")
        if type(version) is not int or version != VERSION:
            found = version if type(version) is int else type(version).__name__
            raise PoisonEvent(f"its version is {found}, this release reads {VERSION}")
        if missing := [field for field in ("id", "occurred_at") if field not in data]:
            raise PoisonEvent(f"{missing[0]}: Field required")  # a default here would change with every reading
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise PoisonEvent(_what_is_wrong(error)) from None


def _what_is_wrong(error: ValidationError) -> str:
    """Field and cause of each fault, without the values: they may be a customer's."""
    faults = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(f"{fault['loc'][0] if fault['loc'] else 'event'}: {fault['msg']}" for fault in faults[:5])
