"""Tool definitions that official helpers make of the pydantic models in installed packages.

Run by the Python that has them, `tests/lint/run` reads what it prints: a definition a line. Each model
becomes a strict tool by the OpenAI SDK's own helper where strict mode can say what the model says, and a
plain one by LangChain's.

The SDK's helper makes a strict tool of any model and leaves it to the provider to refuse it: it keeps a
mapping's `additionalProperties`, a tagged union's `oneOf`, an address's `format`. So what a model is made
of decides, looked up in Python's own types and not in the schema that comes out, which is the linter's
business: a model that holds anything but what the guide to structured outputs lists is left out here, and
the reasons are counted. Plain tools take all there is but tuples: pydantic writes them as an array without
`items`, and OpenAI refuses such a one in every mode.
"""

import datetime
import enum
import importlib
import inspect
import json
import pkgutil
import re
import sys
import types
import typing
import uuid
import warnings

import pydantic
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai import pydantic_function_tool

# The packages, by the name under which they are installed, and the module that has the models.
SOURCES = {
    "ag-ui-protocol": "ag_ui",
    "google-genai": "google.genai.types",
    "mcp-types": "mcp_types",
    "novu-py": "novu_py",
    "openapi-pydantic": "openapi_pydantic",
    "ory-client": "ory_client",
    "stac-pydantic": "stac_pydantic",
}

# What strict mode has a word for. A number of unlimited size has one too: it is a number.
PLAIN = {str, int, float, bool, type(None), datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID}
NAME_CHARACTERS_MAX = 64


class Unfit(Exception):
    """Why a tool of that kind cannot say what a model says."""


def is_a(kind, base):
    return inspect.isclass(kind) and issubclass(kind, base)


def has_tuple(kind, seen):
    """Whether a tuple is part of it, at any depth."""
    if is_a(kind, tuple) or typing.get_origin(kind) is tuple:
        return True
    if is_a(kind, pydantic.BaseModel):
        if kind in seen:
            return False
        seen.add(kind)
        return any(has_tuple(field.annotation, seen) for field in kind.model_fields.values())
    return any(has_tuple(part, seen) for part in typing.get_args(kind))


def fit(model):
    """Raises `Unfit` unless strict mode has a word for everything the model holds."""
    if issubclass(model, pydantic.RootModel):
        raise Unfit("is not an object")
    held(model, set())


def held(kind, seen):
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind in PLAIN or origin is typing.Literal:
        return
    if origin is typing.Annotated:
        if any(getattr(note, "discriminator", None) for note in parts[1:]):
            raise Unfit("has a tagged union: oneOf")
        held(parts[0], seen)
    elif origin in (typing.Union, types.UnionType):
        apart([part for part in parts if is_a(part, pydantic.BaseModel)])
        for part in parts:
            held(part, seen)
    elif origin in (list, typing.Sequence) and len(parts) == 1:
        held(parts[0], seen)
    elif is_a(kind, enum.Enum):
        return
    elif is_a(kind, pydantic.BaseModel):
        fields(kind, seen)
    elif origin in (dict, typing.Mapping) or kind in (dict, typing.Any, object):
        raise Unfit("has a mapping, or takes anything")
    else:
        raise Unfit("holds what it has no word for")


def apart(models):
    """Two objects in one union must not begin with the same property."""
    first = [next(iter(model.model_json_schema(ref_template="{model}").get("properties", {})), None) for model in models]
    if len(set(first)) < len(first):
        raise Unfit("has a union of objects with the same first property")


def fields(model, seen):
    if model in seen:
        return
    seen.add(model)
    if model.model_config.get("extra") == "allow":
        raise Unfit("takes any further property")
    if model.model_config.get("json_schema_extra"):
        raise Unfit("says more by hand")
    for name in ("__get_pydantic_json_schema__", "__get_pydantic_core_schema__"):
        if getattr(model, name).__func__ is not getattr(pydantic.BaseModel, name).__func__:
            raise Unfit("says more by hand")
    if not model.model_fields:
        raise Unfit("has an object without properties")
    for field in model.model_fields.values():
        if field.discriminator is not None:
            raise Unfit("has a tagged union: oneOf")
        if field.json_schema_extra or field.examples:
            raise Unfit("says more by hand")
        if field.default is not None and not field.is_required() and field.default_factory is None:
            raise Unfit("has a default that is not null")
        held(field.annotation, seen)


def models_of(root):
    """Every model that is defined under this module, by rising name."""
    module = importlib.import_module(root)
    for part in pkgutil.walk_packages(getattr(module, "__path__", []), f"{root}.", onerror=lambda _: None):
        try:
            importlib.import_module(part.name)
        except Exception:  # noqa: BLE001, S112 - parts that need what is not installed have no models
            continue
    found = {}
    for name, part in list(sys.modules.items()):
        if name == root or name.startswith(f"{root}."):
            for value in list(vars(part).values()):
                if is_a(value, pydantic.BaseModel) and value.__module__.startswith(root):
                    found[f"{value.__module__}.{value.__qualname__}"] = value
    return [found[name] for name in sorted(found)]


def name_of(model):
    """A model's name, as an application would write it that gives it to the API."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", model.__name__)[:NAME_CHARACTERS_MAX]


def strict(model):
    fit(model)
    return pydantic_function_tool(model, name=name_of(model))


def plain(model):
    if issubclass(model, pydantic.RootModel):
        raise Unfit("is not an object")
    if has_tuple(model, set()):
        raise Unfit("has a tuple: an array without items")
    tool = convert_to_openai_tool(model)
    tool["function"]["name"] = name_of(model)
    return tool


def made(model, make):
    """What a helper makes of it, or why it makes nothing."""
    try:
        return {"definition": make(model)["function"]}
    except Unfit as why:
        return {"left_out": str(why)}
    except Exception as why:  # noqa: BLE001 - models that are not complete, or hold functions
        return {"left_out": f"the helper raises {type(why).__name__}"}


def main():
    warnings.simplefilter("ignore")
    for package, root in SOURCES.items():
        for model in models_of(root):
            for by, make, is_strict in (("openai", strict, True), ("langchain-core", plain, False)):
                row = {"package": package, "name": name_of(model), "strict": is_strict, "by": by, **made(model, make)}
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
