"""Tables to the byte."""

from fleetloop.cli.table import table


def test_header_line_ends_with_a_space_and_rows_with_a_tab() -> None:
    """⚠ CLI6."""
    assert table(["Name", "Last scan"], [["app-0", "x"], ["b", "longer than it"]]) == (
        "NAME \tLAST SCAN      \napp-0\tx             \t\nb    \tlonger than it\t\n"
    )


def test_an_empty_table_is_its_header() -> None:
    """⚠ CLI6."""
    assert table(["Name", "Message"], []) == "NAME\tMESSAGE \n"


def test_without_header_columns_are_as_wide_as_their_cells() -> None:
    assert table([], [["ok", "True"]]) == "ok\tTrue\t\n"


def test_nothing_at_all() -> None:
    assert table([], []) == ""


def test_a_cell_with_lines_spans_rows() -> None:
    assert table(["Name", "Message"], [["boom", "line1\nline2"]]) == ("NAME\tMESSAGE \nboom\tline1  \t\n    \tline2  \t\n")


def test_wide_characters_take_two_columns() -> None:
    assert table([], [["日本", "x"], ["abcd", "y"]]) == "日本\tx\t\nabcd\ty\t\n"
