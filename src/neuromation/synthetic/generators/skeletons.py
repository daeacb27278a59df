"""The skeletons of handwritten digits: the lines a pen follows, for each common way to write each digit.

Owns shapes as plain numbers in a box of 0..1 by 0..1 with y down; knows nothing of pens, noise or pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SAMPLES_PER_SPAN = 9  # points drawn between two control points; their spacing stays under a pen's radius


@dataclass(frozen=True)
class Skeleton:
    """One way to write one digit.

    Attributes:
        digit: 0..9.
        name: what a writer would call this form.
        weight: how common the form is beside the others of its digit, > 0.
        width: width over height of the form, in relation to the aspect that the parameters give.
        points: control points (x, y) or (x, y, dx, dy), where (dx, dy) is added in full when the curl is 1.
        strokes: point numbers a stroke, such as "0-1-2,2-3"; shared numbers join, and a stroke that ends where it began
            is a loop.
    """

    digit: int
    name: str
    weight: float
    width: float
    points: tuple[tuple[float, ...], ...]
    strokes: str

    @cached_property
    def plain(self) -> NDArray[np.float64]:
        """Control points without curl, (2, n), x multiplied by the form's width."""
        return np.array([(point[0] * self.width, point[1]) for point in self.points], dtype=np.float64).T.copy()

    @cached_property
    def curl(self) -> NDArray[np.float64]:
        """What a curl of 1 adds to the control points, (2, n)."""
        deltas = [(*point, 0.0, 0.0)[2:4] for point in self.points]
        return np.array([(dx * self.width, dy) for dx, dy in deltas], dtype=np.float64).T.copy()

    @cached_property
    def curve(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Which four control points make each point of the curve, (4, s), and how much of each, (4, s)."""
        picks: list[NDArray[np.intp]] = []
        parts: list[NDArray[np.float64]] = []
        for stroke in self.strokes.split(","):
            path = [int(number) for number in stroke.split("-")]
            loop = path[0] == path[-1] and len(path) > 3
            for at in range(len(path) - 1):
                before = path[at - 1] if at else path[-2] if loop else path[0]
                last = at + 2 >= len(path)
                after = path[at + 2] if not last else path[1] if loop else path[-1]
                for step in range(SAMPLES_PER_SPAN + last):
                    picks.append(np.array([before, path[at], path[at + 1], after]))
                    parts.append(_catmull_rom(step / SAMPLES_PER_SPAN))
        return np.array(picks).T.copy(), np.array(parts).T.copy()


def _catmull_rom(t: float) -> NDArray[np.float64]:
    """Weights of four control points at 0 <= t <= 1 between the second and the third (Catmull and Rom, 1974)."""
    t2, t3 = t * t, t * t * t
    return np.array([2 * t2 - t - t3, 2 - 5 * t2 + 3 * t3, t + 4 * t2 - 3 * t3, t3 - t2]) / 2


# The forms are drawn by hand from how digits are taught and written, and were compared by eye with real ones; none is
# traced.
# The first form of a digit is the one a school teaches.
SKELETONS: tuple[Skeleton, ...] = (
    Skeleton(0, "oval", 1.0, 0.95,
             ((.5, 0), (.13, .16), (0, .52), (.14, .85), (.5, 1), (.86, .83), (1, .48), (.87, .16)),
             "0-1-2-3-4-5-6-7-0"),
    Skeleton(0, "overlapped", 0.6, 0.95,
             ((.7, .07), (.4, 0), (.08, .22), (0, .62), (.3, .98), (.75, .94), (1, .52), (.84, .1),
              (.52, .0), (.36, .12)),
             "0-1-2-3-4-5-6-7-8-9"),
    Skeleton(0, "slashed", 0.05, 0.95,
             ((.5, 0), (.13, .16), (0, .52), (.14, .85), (.5, 1), (.86, .83), (1, .48), (.87, .16), (.9, .1), (.1, .9)),
             "0-1-2-3-4-5-6-7-0,8-9"),
    Skeleton(1, "flag", 1.0, 0.5,
             ((0, .32), (.35, .18), (.72, 0), (.72, .5), (.7, 1)),
             "0-1-2,2-3-4"),
    Skeleton(1, "stick", 0.5, 0.1,
             ((.5, 0), (.5, .5), (.5, 1)),
             "0-1-2"),
    Skeleton(1, "serif", 0.4, 0.7,
             ((.1, .24), (.35, .14), (.55, 0), (.55, .5), (.55, .98), (0, 1), (1, .98)),
             "0-1-2,2-3-4,5-6"),
    Skeleton(1, "long flag", 0.8, 0.55,
             ((0, .58), (.4, .3), (.8, 0), (.78, .5), (.74, 1)),
             "0-1-2,2-3-4"),
    Skeleton(2, "plain", 1.0, 0.9,
             ((.06, .24), (.34, .01), (.78, .06), (.92, .3), (.55, .66), (0, 1), (.5, .97, 0, -.08), (1, .98, 0, .02)),
             "0-1-2-3-4-5,5-6-7"),
    Skeleton(2, "looped", 0.6, 0.9,
             ((.08, .2), (.42, 0), (.9, .18), (.76, .52), (.3, .93), (.04, .9), (.2, .72), (.55, .9),
              (1, .95, 0, -.08)),
             "0-1-2-3-4-5-6-7-8"),
    Skeleton(2, "swan", 0.5, 0.9,
             ((.1, .16), (.5, 0), (.92, .2), (.7, .6), (.1, .96), (.4, .97, 0, .04), (1, .96)),
             "0-1-2-3-4,4-5-6"),
    Skeleton(2, "wide base", 0.8, 0.85,
             ((.04, .22), (.26, .01), (.54, .16), (.44, .56), (.04, .98), (.5, .98, 0, -.06), (1, .97, 0, .03)),
             "0-1-2-3-4,4-5-6"),
    Skeleton(3, "round", 1.0, 0.8,
             ((.05, .15, 0, .04), (.45, 0), (.9, .2), (.72, .42), (.36, .48), (.84, .57), (1, .79),
              (.55, 1), (0, .88, 0, -.05)),
             "0-1-2-3-4,4-5-6-7-8"),
    Skeleton(3, "flat top", 0.4, 0.8,
             ((.04, .03), (.45, .03), (.92, 0), (.4, .42), (.86, .54), (.97, .79), (.5, 1), (0, .9, 0, -.05)),
             "0-1-2,2-3,3-4-5-6-7"),
    Skeleton(3, "waist loop", 0.4, 0.8,
             ((.08, .12), (.5, 0), (.9, .19), (.66, .42), (.38, .5), (.45, .42), (.88, .58), (.98, .82),
              (.5, 1), (0, .88)),
             "0-1-2-3-4-5-6-7-8-9"),
    Skeleton(4, "open", 1.0, 0.85,
             ((.3, 0), (.12, .3), (0, .62), (.5, .64), (1, .6), (.74, .25), (.7, .6), (.66, 1)),
             "0-1-2,2-3-4,5-6-7"),
    Skeleton(4, "closed", 0.7, 0.85,
             ((.68, 0), (.32, .34), (0, .68), (.5, .69), (1, .67), (.68, .5), (.67, 1)),
             "0-1-2,2-3-4,0-5-6"),
    Skeleton(4, "cup", 0.7, 0.8,
             ((.08, 0), (.04, .3), (.22, .52), (.6, .5), (.92, .4), (.92, .02), (.84, .5), (.74, 1)),
             "0-1-2-3-4,5-6-7"),
    Skeleton(4, "short stem", 0.7, 0.8,
             ((.56, 0), (.2, .36), (0, .72), (.48, .74), (1, .66), (.82, .4), (.7, .7), (.56, 1)),
             "0-1-2,2-3-4,5-6-7"),
    Skeleton(5, "two strokes", 1.0, 0.8,
             ((.14, .04), (.08, .42), (.5, .37), (.93, .54), (.92, .82), (.5, 1), (0, .93, 0, -.05),
              (.55, .03), (1, 0)),
             "0-1,1-2-3-4-5-6,0-7-8"),
    Skeleton(5, "one stroke", 0.6, 0.8,
             ((1, .02), (.55, .03), (.12, .08), (.1, .4), (.5, .42), (.95, .6), (.82, .92), (.34, 1), (0, .92)),
             "0-1-2-3-4-5-6-7-8"),
    Skeleton(6, "curved", 1.0, 0.8,
             ((.76, 0, .12, .06), (.34, .18), (.04, .54), (.06, .86), (.45, 1), (.9, .88), (.94, .66),
              (.55, .52), (.1, .72)),
             "0-1-2-3-4-5-6-7-8"),
    Skeleton(6, "straight", 0.6, 0.75,
             ((.52, 0), (.2, .4), (0, .78), (.4, 1), (.92, .86), (.84, .6), (.42, .56), (.06, .8)),
             "0-1-2-3-4-5-6-7"),
    Skeleton(6, "small loop", 0.4, 0.8,
             ((.9, .04), (.42, .12), (.06, .5), (.04, .86), (.4, 1), (.78, .9), (.76, .7), (.44, .64), (.12, .84)),
             "0-1-2-3-4-5-6-7-8"),
    Skeleton(7, "plain", 1.0, 0.85,
             ((0, .06), (.5, .04, 0, .06), (1, 0), (.64, .46, -.06, -.04), (.4, 1)),
             "0-1-2,2-3-4"),
    Skeleton(7, "barred", 0.7, 0.85,
             ((0, .06), (.5, .04, 0, .06), (1, 0), (.66, .46, -.06, -.04), (.42, 1), (.2, .52), (.6, .5), (.98, .48)),
             "0-1-2,2-3-4,5-6-7"),
    Skeleton(7, "hooked", 0.5, 0.85,
             ((0, .22), (.05, .03), (.5, .05, 0, .06), (1, 0), (.62, .48), (.44, 1)),
             "0-1,1-2-3,3-4-5"),
    Skeleton(7, "hooked and barred", 0.6, 0.85,
             ((0, .24), (.1, .04), (.5, .06, 0, .08), (.96, 0), (.66, .4), (.46, 1), (.16, .56), (.55, .54), (1, .5)),
             "0-1-2-3,3-4-5,6-7-8"),
    Skeleton(7, "round", 0.5, 0.8,
             ((.02, .26), (.2, .04), (.62, .02), (.9, .2), (.7, .5), (.46, 1)),
             "0-1-2-3-4-5"),
    Skeleton(8, "one stroke", 1.0, 0.75,
             ((.88, .14), (.5, 0), (.12, .16), (.32, .4), (.76, .6), (.9, .83), (.5, 1), (.08, .82),
              (.26, .6), (.7, .38)),
             "0-1-2-3-4-5-6-7-8-9-0"),
    Skeleton(8, "two rounds", 0.6, 0.75,
             ((.5, 0), (.16, .11), (.16, .34), (.5, .46), (.84, .34), (.84, .11), (.1, .6), (.08, .88),
              (.5, 1), (.92, .88), (.9, .6)),
             "0-1-2-3-4-5-0,3-6-7-8-9-10-3"),
    Skeleton(8, "open top", 0.5, 0.75,
             ((.96, .04), (.5, .02), (.12, .18), (.34, .42), (.78, .62), (.86, .86), (.45, 1), (.06, .83),
              (.3, .58), (.8, .3), (.9, .1)),
             "0-1-2-3-4-5-6-7-8-9-10"),
    Skeleton(8, "small foot", 0.6, 0.75,
             ((.9, .12), (.5, 0), (.06, .14), (.14, .4), (.5, .56), (.74, .76), (.66, .96), (.4, .98),
              (.3, .8), (.5, .58), (.86, .36)),
             "0-1-2-3-4-5-6-7-8-9-10-0"),
    Skeleton(9, "straight", 1.0, 0.75,
             ((.93, .2), (.6, 0), (.18, .06), (.03, .3), (.32, .5), (.72, .42), (.9, .6), (.82, 1)),
             "0-1-2-3-4-5-0,0-6-7"),
    Skeleton(9, "curled", 1.0, 0.75,
             ((.93, .18), (.55, 0), (.12, .1), (.06, .34), (.4, .46), (.8, .36), (.96, .6), (.72, .94),
              (.3, 1), (.02, .9)),
             "0-1-2-3-4-5-0,0-6-7-8-9"),
    Skeleton(9, "small loop", 0.4, 0.75,
             ((.9, .12), (.5, .02), (.2, .14), (.2, .36), (.56, .42), (.86, .3), (.92, .6), (.7, 1)),
             "0-1-2-3-4-5-0,0-6-7"),
)  # fmt: skip

FORMS: tuple[tuple[Skeleton, ...], ...] = tuple(
    tuple(skeleton for skeleton in SKELETONS if skeleton.digit == digit) for digit in range(10)
)
