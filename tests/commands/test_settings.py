"""Settings: recipes that are changed key by key, as from the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_clickseg.commands.train import changed
from napari_clickseg.training.recipe import read_recipe


def test_settings_change_keys_at_any_depth_and_leave_the_rest():
    ritm = read_recipe("ritm")
    new = changed(ritm, ["encoding.prior=none", "losses.bce=1", "side = 96", "name=ri-nomask", "schedule.rate=1e-4"])
    assert new == replace(
        ritm,
        name="ri-nomask",
        side=96,
        encoding={**ritm.encoding, "prior": "none"},
        losses={**ritm.losses, "bce": 1},
        schedule=replace(ritm.schedule, rate=1e-4),
    )


def test_settings_replace_whole_tables_and_lists_and_read_words_as_text():
    settings = ["losses={bce=1.0}", "clicks.user=click by click", "clicks.robots={human=1.0}", 'refinements=["flip"]']
    new = changed(read_recipe("ritm"), settings)
    assert new.losses == {"bce": 1.0}
    assert (new.clicks.user, new.clicks.robots) == ("click by click", {"human": 1.0})
    assert new.refinements == ("flip",)


def test_the_last_of_several_settings_of_a_key_stands():
    assert changed(read_recipe("ritm"), ["side=96", "side=64"]).side == 64


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("beads=10", "A recipe has no beads; it may have name, title"),
        ("clicks.beads=10", "A recipe's clicks has no beads; it may have user"),
        ("encoding.beads=10", "An encoding has no beads; it may have clicks"),
        ("losses.abacus=1.0", "no loss 'abacus' for a recipe; there are bce"),
        ("network=abacus", "no network 'abacus' for a recipe; there are clicknet"),
        ("side", "'side' changes nothing: wanted is KEY=VALUE"),
        ("=3", "'=3' changes nothing: wanted is KEY=VALUE"),
        ("side=[3", r"The value of side is written in TOML, and '\[3' is none"),
        ("side=wide", "A recipe's side is a number, as 128, not 'wide'"),
        ("losses=bce", "A recipe's losses is a table, as .*, not 'bce'"),
        ("refinements=flip", "A recipe's refinements is a list, as .*, not 'flip'"),
        ("side.left=3", "A recipe has no side.left: its side is a number, not a table"),
    ],
)
def test_settings_that_a_recipe_cannot_take_are_refused(setting: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        changed(read_recipe("ritm"), [setting])


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("side=0", "side is 0; wanted is a multiple of 16 from 16 on"),
        ("side=100", "side is 100; wanted is a multiple of 16"),
        ("side=96.0", "side is 96.0; wanted is a multiple of 16"),
        ("losses.bce=much", "losses.bce is 'much'; wanted is a number from 0 on"),
        ("losses={bce=0}", "losses are all without weight; wanted is one above 0"),
        ("clicks.robots={}", "clicks.robots are all without weight"),
        ("clicks.rounds=0", "clicks.rounds is 0; wanted is a whole number from 1 on"),
        ("clicks.from_mask=1.5", "clicks.from_mask is 1.5; wanted is a number from 0 to 1"),
        ("schedule.rate=0", "schedule.rate is 0; wanted is a number above 0"),
        ("schedule.rate=nan", "schedule.rate is nan; wanted is a number above 0"),
        ("schedule.warm_up=0", "schedule.warm_up is 0; wanted is a whole number from 1 on"),
        ("schedule.batch=2.5", "schedule.batch is 2.5; wanted is a whole number from 1 on"),
        ("sources.mine=-1", "sources.mine is -1; wanted is a number from 0 on"),
        ("shares=[0.4, 0.5]", r"shares are 3 numbers \(typical, octaves, uniform\), not \(0.4, 0.5\)"),
        ("shares=[0.4, 0.5, 2]", r"shares \(uniform\) is 2; wanted is a number from 0 to 1"),
    ],
)
def test_numbers_beyond_their_limits_are_refused_before_anything_is_trained(setting: str, sentence: str):
    with pytest.raises(ValueError, match=f"A recipe's {sentence}"):
        changed(read_recipe("ritm"), [setting])
