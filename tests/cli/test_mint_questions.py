"""What a person is asked on a terminal while a key is made, or deleted, at its provider."""

from __future__ import annotations

import pytest

from support.minting import Mint, set_up
from support.program import Program, pieces_in
from support.pseudo_terminal import Child, end, on_a_terminal

MINT = ("rotate", "elevenlabs", "--mint", "--propagation", "0s")
ASKS = "Which service account? [1-2] "
CTRL_D = "\x04"


@pytest.fixture
def twins(kojikey: Program) -> Mint:
    """Return a key that may be in either of two service accounts, by what the provider lists."""
    mint = set_up(kojikey, "elevenlabs")
    mint.managed.add(mint.managed.keys[0].value, name="its twin", parent="sa-2", **mint.settings)
    return mint


def offered(child: Child) -> None:
    child.expect(r"1 +sa-1")
    child.expect(r"2 +sa-2")
    child.expect_exact(ASKS)


@pytest.mark.parametrize(("answer", "parent"), [("2", "sa-2"), ("SA-1", "sa-1")])
def test_a_parent_is_chosen_by_its_number_or_its_name(kojikey: Program, twins: Mint, answer: str, parent: str) -> None:
    with on_a_terminal(kojikey, *MINT) as child:
        offered(child)
        child.sendline(answer)
        code, text = end(child)
    assert code == 0, text
    new = twins.managed.keys[2]
    assert new.parent == parent
    assert kojikey("get", "elevenlabs", "--reveal").out == new.value
    assert not any(pieces_in(key.value, text) for key in twins.managed.keys)


def test_after_an_unknown_answer_the_question_is_repeated(kojikey: Program, twins: Mint) -> None:
    with on_a_terminal(kojikey, *MINT) as child:
        offered(child)
        child.sendline("sa-9")
        child.expect_exact("not one of them")
        child.expect_exact(ASKS)
        child.sendline("sa")
        child.expect_exact("several names have that")
        child.expect_exact(ASKS)
        child.sendline("2")
        assert end(child)[0] == 0
    assert twins.managed.keys[2].parent == "sa-2"


@pytest.mark.parametrize("answer", ["3", ""])
def test_after_three_wrong_answers_nothing_is_created(kojikey: Program, twins: Mint, answer: str) -> None:
    with on_a_terminal(kojikey, *MINT) as child:
        for _ in range(3):
            child.expect_exact(ASKS)
            child.sendline(answer)
        code, text = end(child)
    assert code == 2, text
    assert "--parent ID" in text
    assert len(twins.names) == 2
    assert twins.row()["staged"] is None
    assert twins.mint("--parent", "sa-1").code == 0


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), (CTRL_D, 2)])
def test_after_ctrl_c_or_the_end_of_input_nothing_is_created(
    kojikey: Program, twins: Mint, key: str, code: int
) -> None:
    with on_a_terminal(kojikey, *MINT) as child:
        child.expect_exact(ASKS)
        child.send(key)
        ended, text = end(child)
    assert ended == code, text
    assert "a bug" not in text
    assert len(twins.names) == 2
    assert twins.mint("--parent", "sa-1").code == 0


def test_without_questions_the_parents_are_listed(kojikey: Program, twins: Mint) -> None:
    with on_a_terminal(kojikey, *MINT, "--no-input") as child:
        code, text = end(child)
    assert code == 2
    assert "sa-1, sa-2: --parent ID" in text
    assert len(twins.names) == 2


def test_the_parent_that_was_chosen_is_not_asked_for_again_after_a_lost_answer(kojikey: Program, twins: Mint) -> None:
    twins.managed.fail("create", "lost")
    with on_a_terminal(kojikey, *MINT) as child:
        offered(child)
        child.sendline("2")
        assert end(child)[0] == 4
    resumed = twins.rotate("--resume", "--propagation", "0s", "--json")
    assert resumed.code == 0, resumed.said
    assert resumed.result["parent"] == "sa-2"
    assert [key.parent for key in twins.managed.keys] == ["sa-1", "sa-2", "sa-2"]


@pytest.mark.parametrize(("answer", "code", "count"), [("y", 0, 2), ("n", 3, 1), ("", 3, 1)])
def test_a_key_that_may_be_allowed_more_is_created_if_the_person_agrees(
    kojikey: Program, answer: str, code: int, count: int
) -> None:
    mint = set_up(kojikey, "openai")
    with on_a_terminal(kojikey, "rotate", "openai", "--mint", "--propagation", "0s") as child:
        child.expect_exact("does not take over: permissions")
        child.expect_exact("Create the new key anyway? [y/N] ")
        assert mint.names == ["by hand"]  # nothing was made before that was said
        child.sendline(answer)
        ended, text = end(child)
    assert ended == code, text
    assert len(mint.names) == count


@pytest.mark.parametrize(("answer", "code", "count"), [("y", 0, 1), ("n", 3, 2)])
@pytest.mark.parametrize("is_minted", [False, True])
def test_a_previous_key_is_deleted_if_the_person_agrees_who_sees_its_mask_and_name(
    kojikey: Program, answer: str, code: int, count: int, is_minted: bool
) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    if is_minted:
        assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
        assert mint.mint().code == 0
    old = mint.managed.keys[0]
    with on_a_terminal(kojikey, "rotate", "xai", "--retire", "--propagation", "0s") as child:
        child.expect_exact(f"••••••••{old.value[-4:]} ({old.name}) at the")
        child.expect_exact("provider? [y/N] ")  # on a line of its own where the name is long
        assert len(mint.names) == 2
        child.sendline(answer)
        ended, text = end(child)
    assert ended == code, text
    assert len(mint.names) == count
