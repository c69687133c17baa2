"""Pages are cut along their headings into pieces that the embedding model can read whole."""

from __future__ import annotations

from crm.knowledge.chunk import MAX_TOKENS, cut_page, estimate_tokens
from crm.knowledge.pages import Page
from crm.knowledge.structure import Block, read_markdown


def page(*blocks: Block, title: str = "Title", summary: str | None = None) -> Page:
    return Page(slug="slug", title=title, blocks=blocks, content_hash="", summary=summary)


def test_a_chunk_never_spans_two_headings() -> None:
    chunks = cut_page(page(*read_markdown("Intro.\n\n## A\n\nOne.\n\n### B\n\nTwo.\n\n## C\n\nThree.")))
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        ("", "Intro."),
        ("A", "One."),
        ("A > B", "Two."),
        ("C", "Three."),
    ]
    assert chunks[2].embedded_text == "Title\nA > B\nTwo."


def test_long_text_is_cut_between_sentences() -> None:
    sentences = [f"Sentence number {number} says something about the limits of the import." for number in range(60)]
    chunks = cut_page(page(Block(" ".join(sentences))))
    assert len(chunks) > 3
    assert [line for chunk in chunks for line in chunk.text.splitlines()] == sentences
    assert all(estimate_tokens(chunk.text) <= MAX_TOKENS for chunk in chunks)


def test_text_without_any_sentence_is_cut_between_words() -> None:
    chunks = cut_page(page(Block("word " * 1000)))
    assert sum(len(chunk.text.split()) for chunk in chunks) <= 1000
    assert all(estimate_tokens(chunk.text) <= MAX_TOKENS for chunk in chunks)


def test_a_blob_does_not_make_a_chunk_without_end() -> None:
    assert all(len(chunk.text) <= 4 * MAX_TOKENS for chunk in cut_page(page(Block("x" * 1_000_000))))


def test_the_same_text_under_the_same_heading_comes_once() -> None:
    assert (
        len(
            cut_page(
                page(Block("Same."), Block("Note", level=2), Block("Same."), Block("Note", level=2), Block("Same."))
            )
        )
        == 2
    )


def test_a_page_with_headings_alone_has_its_summary_as_text() -> None:
    [chunk] = cut_page(page(Block("Heading", level=2), summary="What it is for."))
    assert (chunk.heading, chunk.text) == ("", "What it is for.")


def test_an_empty_page_has_no_chunks() -> None:
    assert cut_page(page()) == []


def test_the_hash_tells_titles_headings_and_texts_apart() -> None:
    one = cut_page(page(Block("Text.")))[0]
    other = cut_page(page(Block("Text."), title="Other"))[0]
    assert one.hash != other.hash
    assert one.hash == cut_page(page(Block("Text.")))[0].hash
