from __future__ import annotations

import numpy as np

from evaluators.comparing.drawn import DrawnClips, Pairs, find_ties


def test_clips_are_prepared_once_and_counted_a_draw() -> None:
    asked: list[Pairs] = []
    clips = [(name, np.zeros(1)) for name in "abc"]  # equal estimates, three clips

    def prepare(pairs: Pairs) -> str:
        asked.append(pairs)
        return "".join(label for label, _ in pairs)

    drawn = DrawnClips(prepare)
    for places, counts in (([0, 1, 2], [1, 1, 1]), ([2, 2, 0], [1, 0, 2]), ([1], [0, 1, 0])):
        found, count = drawn.count([clips[place] for place in places])
        assert (found, list(count)) == ("abc", counts)
    assert len(asked) == 1


def test_an_unknown_clip_is_prepared_anew() -> None:
    first, second = ("a", np.zeros(1)), ("b", np.zeros(1))
    drawn = DrawnClips(lambda pairs: [label for label, _ in pairs])
    assert drawn.count([first, first])[0] == ["a"]
    found, counts = drawn.count([second, first, second])
    assert (found, list(counts)) == (["b", "a"], [2, 1])


def test_the_last_of_equal_values() -> None:
    ranked = np.array([[3.0, 2, 2, 1], [1, 1, 1, 1]])
    assert find_ties(ranked).tolist() == [[True, False, True, True], [False, False, False, True]]
    assert find_ties(np.zeros(0)).tolist() == []
