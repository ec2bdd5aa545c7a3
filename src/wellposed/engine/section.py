"""A part of a recipe: typed fields, each with its unit, range and reason."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Part of a recipe: unknown keys are errors, values never change after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
