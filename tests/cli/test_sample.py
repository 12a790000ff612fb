from __future__ import annotations

import json
from datetime import timedelta
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from hephaestus_stream.cli.sample import sample_input


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int
    floor: int | None = None


class Application(BaseModel):
    applicant: str
    address: Address
    amount: float
    color: Color
    tags: list[str]
    is_new: bool
    born: str = Field(examples=["1815-12-10"])
    nickname: str | None
    patience: timedelta = timedelta(days=1)


def test_the_sample_has_what_the_model_needs_and_fits_it() -> None:
    adapter: TypeAdapter[object] = TypeAdapter(Application)

    sample = sample_input(adapter)

    adapter.validate_json(sample)
    assert list(json.loads(sample)) == [
        "applicant",
        "address",
        "amount",
        "color",
        "tags",
        "is_new",
        "born",
        "nickname",
    ]
    assert json.loads(sample)["address"] == {"street": "…", "number": 1}
    assert json.loads(sample)["born"] == "1815-12-10"


PLAIN: list[TypeAdapter[Any]] = [
    TypeAdapter(int),
    TypeAdapter(str),
    TypeAdapter(None),
    TypeAdapter(bool),
    TypeAdapter(float),
    TypeAdapter(list[int]),
    TypeAdapter(dict[str, int]),
    TypeAdapter(object),
]


@pytest.mark.parametrize("adapter", PLAIN, ids=str)
def test_a_sample_of_what_is_no_model_fits_it_too(adapter: TypeAdapter[Any]) -> None:
    adapter.validate_json(sample_input(adapter))
