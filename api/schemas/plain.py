"""Bodies that are plainly right are read at once; marshmallow reads the others, and says what is wrong.

marshmallow walks every field of a schema, whatever was sent. Here only what was sent is looked at: a value
of the very type that JSON gives its field is taken as it is, once the field's own validators have nothing
against it. Whatever is not so plain its field reads as ever. So a body means the same either way, which the
property tests hold: it is a question of time alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing
from marshmallow.decorators import POST_LOAD, PRE_LOAD, VALIDATES, VALIDATES_SCHEMA

from api.schemas.base import Flag, Id, Text, TimeMs, WholeNumber

Reader = Callable[[Any], Any]
"""Takes a value as JSON gives it, and returns it as its field does; raises ``ValidationError``."""


def reader_of(schema: Schema) -> Reader:
    """Return what reads as ``schema.load`` does: the same values, the same messages.

    Args:
        schema: with its fields by their own names; where it has more to it, it reads by itself.
    """
    plainly = _plain_schema(schema)
    if plainly is None:
        return schema.load

    def read(document: Any) -> Any:
        try:
            return plainly(document)
        except ValidationError:
            return schema.load(document)

    return read


def _plain_schema(schema: Schema) -> Reader | None:
    """Return what reads an object field by field; ``None`` where a schema does more than that."""
    if schema.many or not _is_plain(schema) or any(map(_is_renamed, schema.load_fields.values())):
        return None
    readers = {name: _plain_field(field) for name, field in schema.load_fields.items()}
    required = {name for name, field in schema.load_fields.items() if field.required}
    defaults = [
        (name, field.load_default)
        for name, field in schema.load_fields.items()
        if field.load_default is not missing
    ]
    checks = [getattr(schema, name) for name, _, _ in schema._hooks[VALIDATES_SCHEMA]]  # noqa: SLF001  marshmallow tells of its hooks nowhere else

    def read(document: Any) -> dict[str, Any]:
        if type(document) is not dict or not required <= document.keys() <= readers.keys():
            raise ValidationError([])  # marshmallow says what is wrong
        found = {name: default() if callable(default) else default for name, default in defaults}
        for name, value in document.items():
            found[name] = readers[name](value)
        for check in checks:
            check(found, partial=schema.partial, many=False, unknown=schema.unknown)
        return found

    return read


def _is_plain(schema: Schema) -> bool:
    """Tell whether all that a schema does beside its fields is to look at what they have read."""
    hooks = schema._hooks  # noqa: SLF001  marshmallow tells of its hooks nowhere else
    looks_on = all(
        not takes_many and not options.get("pass_original")
        for _, takes_many, options in hooks[VALIDATES_SCHEMA]
    )
    return looks_on and not (hooks[PRE_LOAD] or hooks[POST_LOAD] or hooks[VALIDATES])


def _is_renamed(field: fields.Field[Any]) -> bool:
    return field.data_key is not None or field.attribute is not None


def _plain_field(field: fields.Field[Any]) -> Reader:
    """Return what reads one field; for most kinds that is the field itself."""
    if field.pre_load or field.post_load:
        return field.deserialize
    if type(field) is fields.List:
        return _plain_list(field)
    if type(field) is fields.Nested:
        return _plain_object(field)
    is_plain = _PLAIN.get(type(field))
    return field.deserialize if is_plain is None else _plain_value(field, is_plain)


def _plain_value(field: fields.Field[Any], is_plain: Callable[[Any], bool]) -> Reader:
    validators = tuple(field.validators)

    def read(value: Any) -> Any:
        if not is_plain(value):
            return field.deserialize(value)
        for validate in validators:
            validate(value)
        return value

    return read


def _plain_list(field: fields.List[Any]) -> Reader:
    each = _plain_field(field.inner)
    validators = tuple(field.validators)

    def read(value: Any) -> Any:
        if type(value) is not list:
            return field.deserialize(value)
        found = [each(member) for member in value]
        for validate in validators:
            validate(found)
        return found

    return read


def _plain_object(field: fields.Nested) -> Reader:
    is_schema = isinstance(field.nested, Schema | type)
    inner = _plain_schema(field.schema) if is_schema and not field.many and field.unknown is None else None
    return field.deserialize if inner is None or field.validators else _or_by_itself(field, inner)


def _or_by_itself(field: fields.Nested, inner: Reader) -> Reader:
    return lambda value: inner(value) if type(value) is dict else field.deserialize(value)


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_simple_text(value: Any) -> bool:
    """Tell whether a text holds no control characters and is the same in every form of Unicode."""
    return type(value) is str and value.isascii() and value.isprintable()


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_flag(value: Any) -> bool:
    return type(value) is bool


_PLAIN: dict[type[fields.Field[Any]], Callable[[Any], bool]] = {
    fields.String: _is_text,
    Text: _is_simple_text,
    Id: _is_simple_text,
    WholeNumber: _is_whole,
    TimeMs: _is_whole,
    Flag: _is_flag,
}
"""What JSON gives a field that takes it as it is, by the very kind of the field."""
