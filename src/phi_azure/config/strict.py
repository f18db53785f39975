"""What all parts of a job have in common: nothing unknown goes in, nothing changes afterwards, refusals are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass  # pydantic gives it no public name
    from pydantic.fields import FieldInfo
else:
    ModelMetaclass = type(BaseModel)


class _Refusing(ModelMetaclass):
    """Turns pydantic's refusal into ConfigError where a person builds a job in Python; nested parts stay pydantic's."""

    def __call__(cls, *args: Any, **values: Any) -> Any:  # noqa: N805  of a metaclass
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            from phi_azure.config.refusals import refusal

            raise refusal(cast("type[BaseModel]", cls), values, error) from None


class Strict(BaseModel, metaclass=_Refusing):
    """Nothing unknown goes in, nothing changes afterwards, and the docstring under a field is its description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, data: object) -> object:
        """Python takes true for 1; a person who writes `epochs: true` means something else, and is told the range."""
        if not isinstance(data, dict):
            return data
        return {
            name: str(value).lower() if isinstance(value, bool) and _is_number(cls.model_fields.get(name)) else value
            for name, value in data.items()
        }


def _is_number(field: FieldInfo | None) -> bool:
    if field is None:
        return False
    kinds = {field.annotation, *get_args(field.annotation)}
    return bool(kinds & {int, float}) and bool not in kinds
