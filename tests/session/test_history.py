import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_clickseg.session.history import History


@given(st.lists(st.sampled_from(["push", "undo", "redo", "amend", "forget"])))
def test_a_history_is_a_list_and_a_place_in_it(acts):
    history, states, place = History(0), [0], 0
    for number, act in enumerate(acts, start=1):
        if act == "push":
            history.push(number)
            states, place = [*states[: place + 1], number], place + 1
        elif act == "undo":
            place = max(place - 1, 0)
            assert history.undo() == states[place]
        elif act == "redo":
            place = min(place + 1, len(states) - 1)
            assert history.redo() == states[place]
        elif act == "amend":
            history.amend(number)
            states[place] = number
        else:
            history.forget_redo()
            states = states[: place + 1]
        assert history.current == states[place]
        assert history.past == tuple(reversed(states[: place + 1]))
        assert history.can_undo == (place > 0)
        assert history.can_redo == (place + 1 < len(states))


def test_what_fails_is_no_history():
    history = History(0)
    history.push(1)
    history.push(2)

    def fail():
        with history.unless_it_fails():
            history.undo()
            history.push(3)
            history.forget_past(lambda state: True)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert (history.past, history.step, history.can_redo) == ((2, 1, 0), 2, False)
    with history.unless_it_fails():
        history.undo()
    assert history.current == 1


def test_the_oldest_states_can_be_forgotten_but_never_the_current_one():
    history = History(0)
    for number in range(1, 6):
        history.push(number)
    history.undo()
    history.forget_past(lambda state: state < 3)
    assert history.past == (4, 3)
    history.forget_past(lambda state: True)
    assert history.past == (4,)
    assert history.redo() == 5


def test_steps_are_counted_on_when_old_ones_are_forgotten():
    history = History("a")
    history.push("b")
    history.push("c")
    history.forget_past(lambda state: state == "a")
    assert history.step == 2
    history.undo()
    assert history.step == 1
    assert not history.can_undo
    assert History("d", history.step).step == 1
