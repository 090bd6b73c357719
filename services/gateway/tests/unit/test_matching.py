from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid4

import pytest

from gateway.embedding import DIMENSIONS, distance, embed
from gateway.fulfilment.roster import FARTHEST, Roster, choose
from gateway.hires import Agent
from gateway.upstream.answers import Hit, Skill

ANNA, BELA = (Agent(id=UUID(int=number), name=name) for number, name in enumerate(("Anna", "Bela"), 1))


def hit(category: str, distance: float = 0.1) -> Hit:
    return Hit(skill=Skill(id=uuid4(), name="any", category=category), distance=distance)


def test_the_nearest_skill_for_which_somebody_is_free_decides() -> None:
    roster = Roster(idle={"welder": (), "fitter": (BELA,), "cook": (ANNA,)})
    hits = [hit("welder"), hit("pilot"), hit("fitter"), hit("cook")]
    assert choose(uuid4(), hits, roster) == BELA


def test_nobody_is_chosen_for_what_is_too_far_away() -> None:
    roster = Roster(idle={"welder": (ANNA,)})
    assert choose(uuid4(), [hit("welder", FARTHEST + 0.01)], roster) is None
    assert choose(uuid4(), [], roster) is None


def test_a_second_try_chooses_the_same() -> None:
    hire_id, hits = uuid4(), [hit("welder")]
    one, other = Roster(idle={"welder": (ANNA, BELA)}), Roster(idle={"welder": (BELA, ANNA)})
    assert choose(hire_id, hits, one) == choose(hire_id, hits, other)


def test_hires_are_spread_over_those_who_can_do_it() -> None:
    roster = Roster(idle={"welder": (ANNA, BELA)})
    chosen = Counter(choose(UUID(int=number), [hit("welder")], roster) for number in range(200))
    assert min(chosen[ANNA], chosen[BELA]) > 60


def test_a_text_is_a_point_of_plant_s_size() -> None:
    assert len(embed("TIG welding")) == DIMENSIONS


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("welding", "TIG welding", "bread baking"),
        ("Welding!", "welding", "weeding"),
        ("weld", "welding", "gardening"),
        ("steel welding", "welding of steel", "steel trading"),
    ],
)
def test_what_shares_words_and_letters_is_near(text: str, near: str, far: str) -> None:
    assert distance(embed(text), embed(near)) < distance(embed(text), embed(far))


def test_the_same_text_is_at_distance_0() -> None:
    assert distance(embed("Rohre schweißen"), embed("ROHRE SCHWEISSEN")) == pytest.approx(0.0)


def test_unlike_skills_are_too_far_apart_to_be_mistaken() -> None:
    assert distance(embed("bread baking"), embed("crane driving")) > FARTHEST


def test_a_text_without_a_word_has_no_place() -> None:
    with pytest.raises(ValueError, match="without a word"):
        embed("?! -")


def test_a_text_keeps_its_place_for_ever() -> None:
    """Skills are stored with it: another function would find none of them again."""
    places = [(place, round(number, 6)) for place, number in enumerate(embed("fit")) if number]
    assert places == [(6, 0.377964), (90, 0.755929), (248, 0.377964), (362, 0.377964)]
