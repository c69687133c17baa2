"""Words as the index sees them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crm.knowledge.lexemes import split_lexemes, to_tsvector
from crm.pool import Pool


def test_stop_words_go_and_endings_go() -> None:
    assert split_lexemes("How do I delete the locations?") == split_lexemes("deleting location")


def test_an_identifier_stays_whole_and_is_found_by_its_parts() -> None:
    assert split_lexemes("TR-1042") == ["tr-1042", "tr", "1042"]
    assert split_lexemes("order_id 4.1.1.2") == ["order_id", "order", "id", "4.1.1.2", "4", "1", "1", "2"]
    assert split_lexemes("BluetoothDevice") == ["bluetoothdevice", "bluetooth", "devic"]


def test_accents_and_typographic_apostrophes_make_no_difference() -> None:
    assert split_lexemes("Café’s menu") == split_lexemes("cafe's menu")


def test_words_of_the_heading_weigh_more() -> None:
    assert to_tsvector("Print labels", "labels") == "'print':1A 'label':2A,3"


async def test_postgresql_reads_any_text_as_the_same_lexemes(pool: Pool) -> None:
    texts = ["it's O'Brien's C:\\path 'quoted' \\ : 5,7", "x" * 3000, "日本語 emoji 👍 ﬁne", "a" * 50 + "-" + "b" * 50]
    async with pool.connection() as conn:
        for text in texts:
            row = await (
                await conn.execute("SELECT tsvector_to_array(%s::tsvector)", (to_tsvector("", text),))
            ).fetchone()
            assert row is not None
            assert set(row[0]) == set(split_lexemes(text))


@given(st.text(max_size=200))
def test_a_lexeme_never_holds_what_a_tsvector_literal_would_stumble_over(text: str) -> None:
    for lexeme in split_lexemes(text):
        assert lexeme
        assert len(lexeme) <= 60
        assert not set(lexeme) & set("'\\ \t\n")
