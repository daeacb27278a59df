"""What happens in a clip of an infant in a crib: when it breathes, turns, wakes and cries, and how it lies at any moment.

Owns the story and its timetable as plain functions of time; knows no shapes, no light and no camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.exact import exact_sin
from neuromation.synthetic.generators.crib_body import Limb, Posture
from neuromation.synthetic.generators.dice_looks import pick

if TYPE_CHECKING:
    from neuromation.synthetic.generators.crib_video import CribVideoParams

Lying = Literal["back", "left", "right", "belly"]
EventKind = Literal["turning", "waking", "crying", "still"]
LYING: tuple[Lying, ...] = ("back", "left", "right", "belly")
EVENT_KINDS: tuple[EventKind, ...] = ("turning", "waking", "crying", "still")
TURN = 6.283185307179586
_DEGREE = TURN / 360
_ROLLS: dict[Lying, float] = {"back": 0.0, "left": 90.0, "right": -90.0, "belly": 172.0}
_NEXT: dict[Lying, tuple[Lying, ...]] = {
    "back": ("left", "right"),
    "left": ("back", "belly"),
    "right": ("back", "belly"),
    "belly": ("left", "right"),
}
_STILL_LEAST_S = 0.25  # shorter quiet is no event


@dataclass(frozen=True)
class Event:
    """Something that happens from `start_s` to `end_s` of the clip."""

    kind: EventKind
    start_s: float
    end_s: float
    detail: dict[str, Any]

    def facts(self) -> dict[str, Any]:
        return {"event": self.kind, "start_s": self.start_s, "end_s": self.end_s, **self.detail}

    def share(self, time_s: float) -> float:
        """How much of it is over, 0..1, starting and ending gently."""
        part = min(1.0, max(0.0, (time_s - self.start_s) / (self.end_s - self.start_s)))
        return part * part * (3 - 2 * part)


@dataclass(frozen=True)
class Story:
    """One clip before anything is drawn.

    Attributes:
        duration_s: of the clip.
        x, y, heading: where the trunk lies, and where the head points to, as in `Posture`.
        roll_deg: at the beginning.
        roll_to_deg: after the turn, where there is one.
        limbs: angles at rest of the left and right arm and the left and right leg, radians.
        tremor: draws 0..1 for how limbs move when awake, three an angle.
        breaths_per_min, breath_start, breath_depth: rate, place in a breath at the beginning (0..1), and by how much the
            chest's depth swings, a share.
        events: in the order of their beginnings; "still" fills the time that no other event takes.
    """

    duration_s: float
    x: float
    y: float
    heading: float
    roll_deg: float
    roll_to_deg: float
    head_turn: float
    limbs: tuple[Limb, ...]
    tremor: tuple[float, ...]
    breaths_per_min: float
    breath_start: float
    breath_depth: float
    events: tuple[Event, ...]

    def event(self, kind: EventKind) -> Event | None:
        return next((event for event in self.events if event.kind == kind), None)

    def breath_phase(self, time_s: float) -> float:
        """Place in the breath at a time, 0..1: 0 at the middle of breathing in, 0.25 at full lungs."""
        breaths = self.breath_start + self.breaths_per_min / 60 * time_s
        return breaths - int(breaths)

    def chest(self, time_s: float) -> float:
        """How much deeper the chest is than at rest, a share."""
        return self.breath_depth * exact_sin(TURN * self.breath_phase(time_s))

    def roll(self, time_s: float) -> float:
        """Roll in degrees, as `Posture.roll`."""
        turning = self.event("turning")
        share = turning.share(time_s) if turning else 0.0
        return self.roll_deg + share * (self.roll_to_deg - self.roll_deg)

    def lying(self, time_s: float) -> Lying:
        """On what it lies: by the nearest quarter turn."""
        roll = self.roll(time_s)
        if abs(roll) < 45:
            return "back"
        if abs(roll) > 135:
            return "belly"
        return "left" if roll > 0 else "right"

    def _within(self, kind: EventKind, time_s: float) -> float:
        """How much an event is going on, 0..1, with a soft start and end of 0.3 s."""
        event = self.event(kind)
        if event is None or not event.start_s <= time_s <= event.end_s:
            return 0.0
        return min(
            1.0,
            (time_s - event.start_s) / 0.3,
            max(0.0, (event.end_s - time_s) / 0.3) if event.end_s < self.duration_s else 1.0,
        )

    def eyes(self, time_s: float) -> float:
        """How far open, 0..1: awake from the beginning of waking; blinks are left out."""
        waking = self.event("waking")
        return min(1.0, max(0.0, (time_s - waking.start_s) / 0.4)) if waking else 0.0

    def mouth(self, time_s: float) -> float:
        """How far open, 0..1: opens and half closes about once a second in crying."""
        crying = self._within("crying", time_s)
        return crying * (0.65 + 0.35 * exact_sin(TURN * 1.1 * time_s))

    def posture(self, time_s: float) -> Posture:
        """How the body lies at a time."""
        roll = self.roll(time_s) * _DEGREE
        unrest = max(
            self._within("waking", time_s), self._within("crying", time_s), 0.35 * self._within("turning", time_s)
        )
        limbs = [self._moved(limb, unrest, time_s, k) for k, limb in enumerate(self.limbs)]
        # A face is not pressed into the mattress: it stays to a side.
        limit = 80 * _DEGREE
        face = min(limit, max(-limit, 0.75 * roll + self.head_turn + 0.25 * unrest * self._wave(time_s, 40)))
        return Posture(
            x=self.x + 0.004 * unrest * self._wave(time_s, 43),
            y=self.y,
            heading=self.heading + 0.03 * unrest * self._wave(time_s, 46),
            roll=roll,
            head_turn=face,
            left_arm=limbs[0],
            right_arm=limbs[1],
            left_leg=limbs[2],
            right_leg=limbs[3],
            chest=self.chest(time_s),
            eyes=self.eyes(time_s),
            mouth=self.mouth(time_s),
        )

    def _wave(self, time_s: float, place: int) -> float:
        """A smooth wandering between -1 and 1 out of two waves of 0.4 to 1.4 Hz."""
        a, b, c = self.tremor[place], self.tremor[place + 1], self.tremor[place + 2]
        slow = exact_sin(TURN * (a + (0.4 + 0.5 * b) * time_s))
        return 0.6 * slow + 0.4 * exact_sin(TURN * (c + (0.9 + 0.5 * a) * time_s))

    def _moved(self, limb: Limb, unrest: float, time_s: float, place: int) -> Limb:
        if unrest <= 0.0:
            return limb
        first = 9 * place
        strength = (0.5 if place < 2 else 0.4) * unrest
        return Limb(
            limb.away + strength * self._wave(time_s, first),
            limb.front + strength * (0.4 + self._wave(time_s, first + 3)),
            limb.bend + strength * self._wave(time_s, first + 6),
            limb.lower_front + strength * 0.6 * self._wave(time_s, first + 1),
        )


def story(params: CribVideoParams, seed: int, index: int) -> Story:
    """The clip `index` of the data set that parameters and seed describe."""
    rng = unit_rng(seed, index, "story")
    u = [float(draw) for draw in rng.random(20)]
    duration_s = params.frames / params.rate_hz
    weights = (params.back_share, params.side_share / 2, params.side_share / 2, params.belly_share)
    start = LYING[pick([weight + 1e-9 for weight in weights], u[0])]
    roll = _ROLLS[start] + 8 * (2 * u[1] - 1)
    if start == "belly" and u[2] < 0.5:
        roll = -roll
    events, roll_to = _events(params, start, roll, duration_s, u[3:13])
    limbs = rng.random(16)
    return Story(
        duration_s=duration_s,
        x=0.05 * (2 * u[13] - 1),
        y=0.06 * (2 * u[14] - 1),
        heading=(0.0 if u[15] < 0.5 else TURN / 2) + 0.25 * (2 * u[16] - 1),
        roll_deg=roll,
        roll_to_deg=roll_to,
        head_turn=0.9 * (2 * u[17] - 1),
        limbs=tuple(_limb(place, [float(draw) for draw in limbs[4 * place : 4 * place + 4]]) for place in range(4)),
        tremor=tuple(float(draw) for draw in rng.random(52)),
        breaths_per_min=params.breaths_per_min * (1 + params.breaths_spread * (2 * u[18] - 1)),
        breath_start=u[19],
        breath_depth=params.breath_depth * (0.7 + 0.6 * float(rng.random())),
        events=events,
    )


def _limb(place: int, u: list[float]) -> Limb:
    """How an arm (places 0, 1) or a leg (2, 3) lies in sleep."""
    if place < 2:
        if u[0] < 0.6:  # beside the head
            return Limb((75 + 35 * u[1]) * _DEGREE, 12 * u[2] * _DEGREE, (55 + 50 * u[3]) * _DEGREE, 8 * u[2] * _DEGREE)
        return Limb((18 + 25 * u[1]) * _DEGREE, 25 * u[2] * _DEGREE, (10 + 40 * u[3]) * _DEGREE, 25 * u[2] * _DEGREE)
    return Limb(
        (28 + 34 * u[1]) * _DEGREE, (10 + 25 * u[2]) * _DEGREE, (20 + 60 * u[3]) * _DEGREE, -10 * u[0] * _DEGREE
    )


def _events(
    params: CribVideoParams, start: Lying, roll: float, duration_s: float, u: list[float]
) -> tuple[tuple[Event, ...], float]:
    """What happens, and the roll at the end of the turn; without a turn, the roll of the beginning."""
    events, roll_to = [], roll
    if u[0] < params.turning_share:
        to = _NEXT[start][int(2 * u[1])]
        roll_to = _ROLLS[to] + 8 * (2 * u[2] - 1)
        if start == "belly":  # from +172 to the left, or from -172 to the right: never all the way round
            to = "left" if roll > 0 else "right"
            roll_to = (1 if roll > 0 else -1) * abs(_ROLLS[to])
        if to == "belly" and roll < 0:
            roll_to = -roll_to
        first, last = _span(duration_s, 1.0, 2.6, u[3], u[4])
        events.append(Event("turning", first, last, {"from": start, "to": to}))
    if u[5] < params.waking_share:
        first, _ = _span(duration_s, 0.8, 1.5, u[6], 0.0)
        events.append(Event("waking", first, duration_s, {}))
        if u[7] < params.crying_share:
            begin = first + (duration_s - first) * (0.2 + 0.4 * u[8])
            events.append(Event("crying", begin, duration_s, {}))
    return tuple(sorted([*events, *_still(events, duration_s)], key=lambda event: (event.start_s, event.kind))), roll_to


def _span(duration_s: float, least_s: float, most_s: float, how_long: float, when: float) -> tuple[float, float]:
    """Beginning and end of something that fits into the clip."""
    length = min(0.8 * duration_s, least_s + (most_s - least_s) * how_long)
    first = (duration_s - length) * when if when else (duration_s - length) * how_long
    return first, first + length


def _still(events: list[Event], duration_s: float) -> list[Event]:
    quiet, gone = [], 0.0
    for event in sorted(events, key=lambda event: event.start_s):
        if event.start_s - gone >= _STILL_LEAST_S:
            quiet.append(Event("still", gone, event.start_s, {}))
        gone = max(gone, event.end_s)
    if duration_s - gone >= _STILL_LEAST_S:
        quiet.append(Event("still", gone, duration_s, {}))
    return quiet
