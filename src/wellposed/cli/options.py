"""How options are read: a dataclass for a command, and the flags of a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

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

from wellposed.cli.helptext import field_texts, one_paragraph, paragraphs, shown, wrapped
from wellposed.engine.recipe import Recipe, parse
from wellposed.engine.section import Section

Changes = Annotated[dict[str, str], tyro.conf.arg(metavar="KEY VALUE ...")]
"""Keys of a recipe and their new values, as text."""
T = TypeVar("T")
R = TypeVar("R", bound=Recipe)
Spec = PrimitiveConstructorSpec[Any] | UnsupportedTypeAnnotationError

REGISTRY = ConstructorRegistry()
"""What is read in another way than tyro's own."""
FLAGS = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
"""`--json` without `--no-json`, and `--no-audit` where the default is to audit."""


def read_options(kind: type[T], program: str, arguments: Sequence[str]) -> T:
    """Read the options of a command; a usage error is told and ends the program with status 2."""
    told = paragraphs(kind.__doc__ or "")
    with REGISTRY, wrapped():
        return tyro.cli(kind, prog=program, description=told, args=arguments, config=FLAGS)


def read_some_options(kind: type[T], program: str, arguments: Sequence[str]) -> tuple[T, list[str]]:
    """Read those that `kind` has, and return the rest."""
    with REGISTRY, wrapped():
        return tyro.cli(kind, prog=program, args=arguments, config=FLAGS, return_unknown_args=True)


def read_flags(recipe: R, program: str, description: str, arguments: Sequence[str]) -> R:
    """Change values of a recipe by its flags. Raises RecipeError: a value is not allowed."""
    config = (tyro.conf.FlagConversionOff,)
    with REGISTRY, wrapped():
        tree: Any = tyro.cli(
            type(recipe),
            prog=program,
            description=paragraphs(description),
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
    if not isinstance(inner, PrimitiveConstructorSpec) or not isinstance(inner.nargs, int):
        return None
    nothing = ["None"] * inner.nargs

    def value(words: list[str]) -> Any:
        return None if words == nothing else inner.instance_from_str(words)

    def words_of(given: Any) -> list[str]:
        return nothing if given is None else inner.str_from_instance(given)

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
    found = [
        StructFieldSpec(
            name=name,
            type=_stated(shown(name, types[name], is_flag=False), getattr(info.default, name)),
            default=getattr(info.default, name),
            helptext=one_paragraph(field.description or ""),
        )
        for name, field in info.type.model_fields.items()
    ]
    return StructConstructorSpec(instantiate=dict, fields=tuple(found))


def _stated(kind: Any, value: Any) -> Any:
    """Leave out of the help what no flag can change: the system, phases, criteria by name."""
    held = list(value.values()) if isinstance(value, Mapping) else value
    nested = isinstance(held, Sequence) and any(isinstance(each, Section) for each in held)
    one = get_origin(get_args(kind)[0]) is Literal and len(get_args(get_args(kind)[0])) == 1
    return Annotated[kind, tyro.conf.Suppress] if nested or one else kind


@REGISTRY.struct_rule
def _options(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Read the options of a command, with texts and values shown as `helptext` has it."""
    if not (isinstance(info.type, type) and is_dataclass(info.type)):
        return None
    types, texts = get_type_hints(info.type, include_extras=True), field_texts(info.type)
    found = [
        StructFieldSpec(
            name=field.name,
            type=shown(field.name, types[field.name], is_flag=True),
            default=_default_of(field),
            helptext=texts.get(field.name, ""),
        )
        for field in fields(info.type)
    ]
    return StructConstructorSpec(instantiate=info.type, fields=tuple(found))


def _default_of(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return tyro.MISSING if field.default_factory is MISSING else field.default_factory()
