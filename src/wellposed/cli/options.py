"""How options are read: a dataclass for a command, and the flags of a recipe."""

from collections.abc import Sequence
from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
    UnsupportedTypeAnnotationError,
)

from wellposed.engine.recipe import Recipe, parse
from wellposed.engine.section import Section

T = TypeVar("T")
R = TypeVar("R", bound=Recipe)
Spec = PrimitiveConstructorSpec[Any] | UnsupportedTypeAnnotationError

REGISTRY = ConstructorRegistry()
"""What is read in another way than tyro's own."""
FLAGS = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
"""`--json` without `--no-json`, and `--no-audit` where the default is to audit."""


def read_options(kind: type[T], program: str, arguments: Sequence[str]) -> T:
    """Read the options of a command; a usage error is told and ends the program with status 2."""
    with REGISTRY:
        return tyro.cli(kind, prog=program, args=arguments, config=FLAGS)


def read_some_options(kind: type[T], program: str, arguments: Sequence[str]) -> tuple[T, list[str]]:
    """Read those that `kind` has, and return the rest."""
    with REGISTRY:
        return tyro.cli(kind, prog=program, args=arguments, config=FLAGS, return_unknown_args=True)


def read_flags(recipe: R, program: str, description: str, arguments: Sequence[str]) -> R:
    """Change values of a recipe by its flags. Raises RecipeError: a value is not allowed."""
    config = (tyro.conf.FlagConversionOff,)
    with REGISTRY:
        tree: Any = tyro.cli(
            type(recipe),
            prog=program,
            description=description,
            default=recipe,
            args=arguments,
            config=config,
        )
    return parse(type(recipe), tree, "command line")


@REGISTRY.primitive_rule
def _optional(info: PrimitiveTypeInfo) -> Spec | None:
    """Read `X | None` as X: help and errors then name X alone. The word None is still None."""
    if get_origin(info.type) not in (Union, UnionType) or NoneType not in get_args(info.type):
        return None
    held = [each for each in get_args(info.type) if each is not NoneType]
    if len(held) != 1:
        return None
    inner = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(held[0], info.markers))
    if not isinstance(inner, PrimitiveConstructorSpec) or inner.nargs != 1:
        return None

    def value(words: list[str]) -> Any:
        return None if words == ["None"] else inner.instance_from_str(words)

    def words_of(given: Any) -> list[str]:
        return ["None"] if given is None else inner.str_from_instance(given)

    return replace(
        inner,
        instance_from_str=value,
        is_instance=lambda given: given is None or inner.is_instance(given),
        str_from_instance=words_of,
    )


@REGISTRY.struct_rule
def _section(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Read a section of a recipe as a plain mapping, so that `parse` says what is wrong in it."""
    if not (isinstance(info.type, type) and issubclass(info.type, Section)):
        return None
    types = get_type_hints(info.type, include_extras=True)
    fields = [
        StructFieldSpec(
            name=name,
            type=types[name],
            default=getattr(info.default, name),
            helptext=field.description,
        )
        for name, field in info.type.model_fields.items()
    ]
    return StructConstructorSpec(instantiate=dict, fields=tuple(fields))
