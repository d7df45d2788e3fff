"""Refuses what AWS refuses: every request is held against the vendor's own description of the service, as botocore carries it."""
import re
from functools import lru_cache

from botocore.loaders import Loader
from botocore.model import OperationNotFoundError, ServiceModel
from botocore.validate import ParamValidator


@lru_cache
def service(name):
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


@lru_cache
def compiled(pattern):
    # Java's classes of characters, which Python does not have: letters, blanks, digits.
    for ours, theirs in (("\\p{L}", "\\w"), ("\\p{Z}", "\\s"), ("\\p{N}", "\\d")):
        pattern = pattern.replace(ours, theirs)
    return re.compile(pattern)


def complaint(name, action, params):
    """What AWS would complain about, or None. `name` is botocore's name of the service."""
    try:
        shape = service(name).operation_model(action).input_shape
    except OperationNotFoundError:
        return f"no such operation: {action}"
    if shape is None:
        return None
    errors = ParamValidator().validate(params, shape)
    if errors.has_errors():
        return errors.generate_report()
    found = list(beyond(params, shape, shape.name))
    if not found:
        return None
    said = "; ".join(found)
    return f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {said}"


def beyond(value, shape, name):
    """What botocore leaves to the server: patterns, words and upper bounds."""
    if shape.type_name == "structure":
        for key, member in value.items():
            yield from beyond(member, shape.members[key], key)
    elif shape.type_name == "list":
        yield from bound(len(value), shape, name, "length")
        for member in value:
            yield from beyond(member, shape.member, name + ".member")
    elif shape.type_name == "map":
        yield from bound(len(value), shape, name, "length")
        for key, member in value.items():
            yield from beyond(key, shape.key, name + ".key")
            yield from beyond(member, shape.value, name + ".value")
    elif shape.type_name == "string":
        yield from bound(len(value), shape, name, "length")
        pattern = shape.metadata.get("pattern")
        if pattern and not compiled(pattern).fullmatch(value):
            yield said(value, name, f"Member must satisfy regular expression pattern: {pattern}")
        words = shape.metadata.get("enum")
        if words and value not in words:
            yield said(value, name, f"Member must satisfy enum value set: [{', '.join(words)}]")
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from bound(value, shape, name, "value")


def bound(number, shape, name, what):
    most = shape.metadata.get("max")
    if most is not None and number > most:
        yield said(number, name, f"Member must have {what} less than or equal to {most}")


def said(value, name, rule):
    name = name[:1].lower() + name[1:]
    return f"Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
