from __future__ import annotations

import json
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from hephaestus_stream.errors import CommandError
from hephaestus_stream.wire.command import (
    CancelCommand,
    Command,
    MigrateCommand,
    ResumeCommand,
    StartCommand,
    decode_command,
    encode_command,
    new_id,
)
from hephaestus_stream.wire.sound_json import MAX_DEPTH

# As in wire.md, with an id in the place of <uuid>.
START = (
    b'{"type": "start",  "id": "0192f0c1", "workflow": "OrderFlow", "version": 2, "key": "orderid::abc123", '
    b'"input": {"sku": "x"}, "tags": ["eu"], "metadata": {}, "on_conflict": "reject"}'
)
RESUME = (
    b'{"type": "resume", "id": "0192f0c1", "workflow": "OrderFlow", "key": "orderid::abc123", "node": "review", '
    b'"event": "received", "payload": {"stars": 5}}'
)
MIGRATE = b'{"type":"migrate","schema":2,"id":"0192f0c1","workflow":"OrderFlow","key":"orderid::abc123","to_version":3}'
CANCEL = (
    b'{"type": "cancel", "id": "0192f0c1", "workflow": "OrderFlow", "key": "orderid::abc123", '
    b'"reason": "customer asked"}'
)

printable = st.text(st.characters(codec="utf-8"), min_size=1, max_size=50).filter(str.isprintable)
keys = st.from_regex(r"[a-z]{1,8}::[a-z0-9 ]{1,20}", fullmatch=True)
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def fits_64_bits(value: object) -> bool:
    """Whether all whole numbers in it do."""
    try:
        msgspec.msgpack.encode(value)
    except OverflowError:
        return False
    return True


metadata = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=10), json_values, max_size=3)
versions = st.none() | st.integers(min_value=1, max_value=1_000)
commands: st.SearchStrategy[Command] = (
    st.builds(
        StartCommand,
        id=printable,
        workflow=printable,
        version=versions,
        key=keys,
        input=json_values,
        tags=st.lists(printable, max_size=3),
        metadata=metadata.filter(fits_64_bits),
        on_conflict=st.sampled_from(["reject", "return_existing", "terminate_existing"]),
    )
    | st.builds(
        ResumeCommand,
        id=printable,
        workflow=printable,
        version=versions,
        key=keys,
        run=st.none() | printable,
        node=st.none() | printable,
        event=printable,
        payload=json_values,
    )
    | st.builds(
        CancelCommand,
        id=printable,
        workflow=printable,
        key=keys,
        reason=st.none() | st.text(st.characters(codec="utf-8")),
    )
)


def changed(example: bytes, **fields: object) -> bytes:
    return json.dumps({**json.loads(example), **fields}).encode()


def without(example: bytes, field: str) -> bytes:
    return json.dumps({name: value for name, value in json.loads(example).items() if name != field}).encode()


def refused_or_read(value: bytes) -> CommandError | None:
    """The refusal, if it is one; any other exception goes through."""
    try:
        decode_command(value)
    except CommandError as error:
        return error
    return None


def assert_speakable(error: CommandError | None) -> None:
    assert error is None or error.reason in {"undecodable", "unsupported_schema"}
    assert str(error or "").isprintable()


def refusal(value: bytes | None) -> CommandError:
    with pytest.raises(CommandError) as refused:
        decode_command(value)
    return refused.value


def test_the_examples_of_the_contract_are_commands() -> None:
    assert decode_command(START) == StartCommand(
        id="0192f0c1",
        workflow="OrderFlow",
        version=2,
        key="orderid::abc123",
        input={"sku": "x"},
        tags=("eu",),
        metadata={},
        on_conflict="reject",
    )
    assert decode_command(RESUME) == ResumeCommand(
        id="0192f0c1",
        workflow="OrderFlow",
        key="orderid::abc123",
        node="review",
        event="received",
        payload={"stars": 5},
    )
    assert decode_command(CANCEL) == CancelCommand(
        id="0192f0c1", workflow="OrderFlow", key="orderid::abc123", reason="customer asked"
    )


@given(commands)
def test_a_command_is_read_as_it_was_written(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


def test_what_was_not_set_is_not_written() -> None:
    command = StartCommand(id="i", workflow="W", key="k::a", input=None)

    assert json.loads(encode_command(command)) == {
        "type": "start",
        "id": "i",
        "workflow": "W",
        "key": "k::a",
        "input": None,
    }


def test_a_schema_that_was_set_is_written_by_its_name_on_the_wire() -> None:
    command = CancelCommand(schema=1, id="i", workflow="W", key="k::a")

    assert json.loads(encode_command(command))["schema"] == 1
    assert decode_command(encode_command(command)) == command


@pytest.mark.parametrize("field", ["version", "run", "node", "payload"])
def test_null_stands_for_an_optional_field_that_is_left_out(field: str) -> None:
    assert decode_command(changed(RESUME, **{field: None})) == decode_command(without(RESUME, field))


@pytest.mark.parametrize("field", ["type", "id", "workflow", "key", "input"])
def test_a_missing_field_is_named(field: str) -> None:
    error = refusal(without(START, field))

    assert error.reason == "undecodable"
    assert f"'{field}' is missing" in str(error)


def test_an_event_is_needed_to_resume() -> None:
    assert "'event' is missing" in str(refusal(without(RESUME, "event")))


def test_a_misspelt_field_is_refused_with_the_word_it_may_have_meant() -> None:
    error = refusal(changed(START, on_conflit="reject"))

    assert error.reason == "undecodable"
    assert "'on_conflit' is unknown: did you mean 'on_conflict'?" in str(error)


def test_a_field_of_another_command_is_refused() -> None:
    assert "'run' is unknown" in str(refusal(changed(START, run="r")))


def test_a_field_by_its_python_name_is_refused() -> None:
    assert "'schema_version' is unknown" in str(refusal(changed(START, schema_version=1)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "x" * 101),
        ("id", "a\nb"),
        ("id", "a\x00b"),
        ("id", 5),
        ("workflow", ""),
        ("version", "2"),
        ("version", 0),
        ("version", True),
        ("version", 2**31),
        ("key", "abc123"),
        ("key", "orderid::"),
        ("key", "orderid::a::b"),
        ("tags", "eu"),
        ("tags", [1]),
        ("tags", [""]),
        ("metadata", []),
        ("on_conflict", "replace"),
    ],
)
def test_a_bad_value_is_refused_under_its_fields_name(field: str, value: object) -> None:
    error = refusal(changed(START, **{field: value}))

    assert error.reason == "undecodable"
    assert f"'{field}" in str(error)


@pytest.mark.parametrize("number", [10**26, -(2**63) - 1, 2**64])
def test_a_whole_number_beyond_64_bits_is_refused_in_metadata_which_are_kept_as_values(number: int) -> None:
    start = {"type": "start", "id": "c-1", "workflow": "Flow", "key": "flow::1", "input": number}
    written = {"metadata": {"deep": [{"n": number}]}}

    assert decode_command(json.dumps(start).encode()).id == "c-1"
    with pytest.raises(CommandError, match="'metadata': holds a whole number beyond 64 bits") as refused:
        decode_command(json.dumps(start | written).encode())
    assert (refused.value.reason, refused.value.id) == ("undecodable", "c-1")


def test_a_cancel_has_a_short_reason() -> None:
    decode_command(changed(CANCEL, reason="x" * 1_000))

    assert "'reason'" in str(refusal(changed(CANCEL, reason="x" * 1_001)))


@pytest.mark.parametrize("kind", ["restart", "", 1, [], {}, True])
def test_an_unknown_type_is_refused_with_those_there_are(kind: object) -> None:
    error = refusal(changed(START, type=kind))

    assert error.reason == "undecodable"
    assert "'start', 'resume', 'migrate', 'cancel'" in str(error)


def test_a_migrate_says_its_schema_since_the_first_one_has_none() -> None:
    assert decode_command(MIGRATE) == MigrateCommand(
        schema=2, id="0192f0c1", workflow="OrderFlow", key="orderid::abc123", to_version=3
    )
    assert encode_command(decode_command(MIGRATE)) == MIGRATE
    assert "'schema'" in str(refusal(changed(MIGRATE, schema=1)))


def test_the_first_schema_may_be_named() -> None:
    assert decode_command(changed(START, schema=1)) == decode_command(START)


def test_a_later_schema_is_refused_as_such_even_with_fields_that_only_it_has() -> None:
    error = refusal(changed(START, schema=99, priority="high", type="reset"))

    assert (error.reason, error.id, error.key) == ("unsupported_schema", "0192f0c1", "orderid::abc123")
    assert "upgrade the workers" in str(error)


@pytest.mark.parametrize("schema", [0, -1, "1", 1.0, True, None, [], {}])
def test_a_schema_that_is_no_number_of_one_is_undecodable(schema: object) -> None:
    error = refusal(changed(START, schema=schema))

    assert error.reason == "undecodable"
    assert "'schema'" in str(error)


def test_a_refusal_names_the_command_where_it_could_be_read() -> None:
    error = refusal(changed(START, tag=["eu"]))

    assert (error.id, error.key) == ("0192f0c1", "orderid::abc123")


@pytest.mark.parametrize("unsound", [None, 5, "", "x" * 101, "a\nb", [], {}])
def test_a_refusal_carries_no_id_and_no_key_that_are_unsound(unsound: object) -> None:
    error = refusal(changed(START, id=unsound, key=unsound))

    assert (error.id, error.key) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"\x00",
        b"null",
        b"[]",
        b'"start"',
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + START,
        START.decode().encode("utf-16"),
        START + b"x",
        START[:-1],
        START.replace(b'"x"', b"NaN"),
        START.replace(b'"x"', b"Infinity"),
        START.replace(b'"x"', b"-Infinity"),
        START.replace(b'"x"', b"1e999"),
        START.replace(b'"x"', b"9" * 100_000),
        START.replace(b'"x"', rb'"\ud800"'),
        START.replace(b'"x"', b'"\xed\xa0\x80"'),
        START.replace(b'"x"', b'"\x00"'),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        START.replace(b'"x"', b"[" * 100_000 + b"]" * 100_000),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "none",
)
def test_what_is_no_json_object_is_undecodable(value: bytes | None) -> None:
    error = refusal(value)

    assert error.reason == "undecodable"
    assert len(str(error)) < 300


def test_json_nests_up_to_a_limit_that_does_not_depend_on_the_stack() -> None:
    # The command is one level and the input's object another.
    fits, deeper = (b"[" * depth + b"]" * depth for depth in (MAX_DEPTH - 2, MAX_DEPTH - 1))

    decode_command(START.replace(b'"x"', fits))
    error = refusal(START.replace(b'"x"', deeper))

    assert "nests deeper" in str(error)
    assert (error.id, error.key) == ("0192f0c1", "orderid::abc123")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    command = decode_command(changed(START, input=[{"lines": [1]}] * 500))

    assert command == decode_command(encode_command(command))


def test_the_last_of_two_equal_fields_counts() -> None:
    command = decode_command(START.replace(b'"version": 2', b'"version": 2, "version": 3'))

    assert command.version == 3


def test_large_numbers_and_zero_bytes_in_a_text_reach_the_input_unharmed() -> None:
    wanted: JsonValue = {"n": 10**30, "text": "a\x00b", "emoji": "😀"}

    command = decode_command(changed(START, input=wanted))

    assert isinstance(command, StartCommand)
    assert command.input == wanted
    assert json.loads(command.input_json()) == wanted


@pytest.mark.parametrize(
    "value",
    [
        changed(START, input={"card": "secret" * 1_000}, id=5),
        changed(START, on_conflict="secret" * 1_000),
        changed(START, type="secret" * 1_000),
        changed(START, key="secret" * 1_000),
        changed(START, workflow="secret" * 1_000),
        changed(START, tags=["secret" * 1_000] * 20),
        changed(START, **{"secret" * 1_000: 1}),
        START.replace(b'"x"', b'"' + b"secret" * 1_000 + b'\xff"'),
    ],
    ids=["input", "on_conflict", "type", "key", "workflow", "tags", "field", "not UTF-8"],
)
def test_a_refusal_never_repeats_what_was_sent_at_length(value: bytes) -> None:
    message = str(refusal(value))

    assert len(message) < 400
    assert message.count("secret") <= 10


def test_a_field_name_cannot_forge_a_line_of_a_log() -> None:
    assert str(refusal(changed(START, **{"x\nERROR all is lost": 1}))).isprintable()


@given(st.binary())
def test_any_bytes_are_a_command_or_refused(value: bytes) -> None:
    assert_speakable(refused_or_read(value))


@given(
    st.sampled_from([START, RESUME, CANCEL]),
    st.sampled_from(["schema", "type", "id", "workflow", "version", "key", "input", "tags", "metadata", "payload"]),
    json_values,
)
def test_any_json_in_any_field_makes_a_command_or_a_refusal(example: bytes, field: str, value: JsonValue) -> None:
    assert_speakable(refused_or_read(changed(example, **{field: value})))


@given(st.sampled_from([START, RESUME, CANCEL]), st.data())
def test_a_damaged_command_is_a_command_or_refused(example: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(example)))
    damaged = example[:place] + data.draw(st.binary(max_size=5)) + example[place + data.draw(st.integers(0, 5)) :]

    assert_speakable(refused_or_read(damaged))


@pytest.mark.parametrize("unwritable", [float("nan"), float("inf"), [{"a": -float("inf")}], "\ud800"])
def test_an_input_that_is_no_json_is_refused_before_it_is_published(unwritable: JsonValue) -> None:
    command = StartCommand(id="i", workflow="W", key="k::a", input=unwritable)

    with pytest.raises(CommandError, match="the start command cannot be written") as refused:
        encode_command(command)

    assert (refused.value.reason, refused.value.id) == ("invalid_payload", "i")


def test_an_input_beyond_the_depth_of_the_wire_is_refused_before_it_is_published() -> None:
    deep: JsonValue = []
    for _ in range(MAX_DEPTH):
        deep = [deep]

    with pytest.raises(CommandError, match="nests deeper"):
        encode_command(StartCommand(id="i", workflow="W", key="k::a", input=deep))


def test_the_words_nan_and_infinity_are_fine_in_a_text() -> None:
    command = ResumeCommand(id="i", workflow="W", key="k::a", event="e", payload=["NaN", "Infinity"])

    assert decode_command(encode_command(command)) == command
    assert command.payload_json() == b'["NaN","Infinity"]'


def test_a_command_is_frozen() -> None:
    command = decode_command(CANCEL)

    with pytest.raises(ValidationError, match="frozen"):
        command.id = "another"  # type: ignore[misc]  # that is what is refused  # pyright: ignore[reportAttributeAccessIssue]


def test_new_ids_are_uuids_of_version_7_and_sort_as_they_were_made() -> None:
    ids = [new_id() for _ in range(1_000)]

    assert {uuid.UUID(one).version for one in ids} == {7}
    assert len(set(ids)) == 1_000
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)


def test_who_cancels_is_told_by_the_schema_that_knows_of_it_and_by_no_other() -> None:
    told = decode_command(changed(CANCEL, schema=3, by="ada"))
    assert isinstance(told, CancelCommand)
    assert told.by == "ada"
    assert "'by' needs the schema 3" in str(refusal(changed(CANCEL, by="ada")))
    assert [CancelCommand.least_schema(fields) for fields in ((), ("reason",), ("by",))] == [1, 1, 3]


@pytest.mark.parametrize("kind", ["retry", "pause", "continue", "skip", "terminate"])
def test_a_command_that_steers_says_its_schema_since_earlier_ones_have_none(kind: str) -> None:
    fields = {"type": kind, "node": "charge", "event": "charged"} if kind == "skip" else {"type": kind}
    command = decode_command(changed(CANCEL, schema=3, by="ada", **fields))
    assert command.type == kind
    assert decode_command(encode_command(command)) == command
    for schema in (1, 2):
        assert "'schema'" in str(refusal(changed(CANCEL, schema=schema, **fields)))
