from __future__ import annotations

import json
import traceback

from hephaestus_stream.testing.user_lines import user_lines


def deeper(depth: int) -> None:
    if depth:
        deeper(depth - 1)
        return
    raise LookupError("no such card")


def told(depth: int) -> str:
    try:
        deeper(depth)
    except LookupError:
        return traceback.format_exc()
    raise AssertionError("nothing is raised")


def test_the_lines_of_the_innermost_frames_are_kept_and_no_more_than_fit() -> None:
    lines = user_lines(told(30))

    assert 0 < len(lines) <= 15
    assert lines[0].startswith(f'  File "{__file__}"')
    assert lines[-1] == '    raise LookupError("no such card")'


def test_lines_of_libraries_are_left_out() -> None:
    lines: list[str] = []
    try:
        json.loads("{")
    except ValueError:
        lines = user_lines(traceback.format_exc())

    assert [line.strip() for line in lines if "File" not in line and "^" not in line] == ['json.loads("{")']


def test_of_an_error_that_followed_another_one_its_own_lines_are_told() -> None:
    lines: list[str] = []
    try:
        try:
            deeper(0)
        except LookupError as error:
            raise ValueError("charged nothing") from error
    except ValueError:
        lines = user_lines(traceback.format_exc())

    assert lines[-1] == '    raise ValueError("charged nothing") from error'
    assert len([line for line in lines if "File" in line]) == 1


def test_a_traceback_whose_beginning_was_cut_off_is_told_from_its_first_whole_frame() -> None:
    whole = told(1)

    assert user_lines(whole[60:]) == user_lines(whole)[2:]
    assert user_lines("ConnectionError: down\n") == []
