from audiosearch.store import fts5
from audiosearch.store.queries.fulltext import match_words, telling_words


def match_expression(query: str) -> str | None:
    match = match_words(telling_words(query))
    return None if match is None else fts5.expression(match)


def test_words_are_quoted_and_any_may_match() -> None:
    assert match_expression("Dog barks") == '"dog" OR "barks"'


def test_operators_become_words() -> None:
    assert match_expression('dog" OR NEAR(cat) NOT *') == '"dog" OR "near" OR "cat" OR "not"'


def test_words_that_tell_nothing_are_left_out_unless_they_are_all() -> None:
    assert match_expression("the dog and the cat") == '"dog" OR "cat"'
    assert match_expression("on and on") == '"on" OR "and"'


def test_nothing_to_search_for() -> None:
    assert match_expression("") is None
    assert match_expression(' \x00 "*" — 🙂') is None


def test_a_pasted_book_is_cut_short() -> None:
    letters = "abcdefghij"
    words = ("".join(letters[int(digit)] for digit in str(n)) for n in range(200_000))
    expression = match_expression(" ".join(words))
    assert expression is not None
    assert expression.count(" OR ") == 63


def test_a_glued_word_is_met_by_itself_or_by_all_its_parts() -> None:
    assert match_expression("DOORWood") == '("doorwood" OR ("door" AND "wood"))'
    assert match_expression("雨の音") == '("雨の音" OR ("雨の" AND "の音"))'


def test_all_words_may_be_asked_for() -> None:
    match = match_words(telling_words("the dog barks"), every=True)
    assert match is not None
    assert fts5.expression(match) == '"dog" AND "barks"'
