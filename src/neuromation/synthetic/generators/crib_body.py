"""A procedural infant: bones, how they lie on a mattress, and the rounded shapes around them.

Owns the body alone: from joint angles to joints in the world, and from joints to instances. In the body's own frame x
goes to its left, y to its head and z to its front. Knows no crib, no clip and no camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt

import numpy as np

from neuromation.synthetic.exact import composed, exact_cos, exact_sin, rotated, rotation_about, rotation_z
from neuromation.synthetic.scene.flesh import Cone, flesh
from neuromation.synthetic.scene.meshes import aimed, capsule, ellipsoid
from neuromation.synthetic.scene.meshes_build import frozen
from neuromation.synthetic.scene.model import Instance, Material, Mesh, Pose, Rotation, Vector

SIDES = (("left", 1.0), ("right", -1.0))
KEYPOINTS = (
    "nose",
    *(
        f"{side}_{joint}"
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
    "chest",
)
_CHEST = (0.072, 0.095, 0.056)  # half axes, metres, of a body of size 1
_HEAD = (0.058, 0.068, 0.066)
_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.085, 0.078, 0.1, 0.095
_RADII = {"upper_arm": 0.023, "forearm": 0.02, "thigh": 0.034, "shin": 0.026, "hand": 0.021, "foot": 0.02}
_FALL = 0.45  # of a limb's height above the mattress that is left when it is relaxed


@dataclass(frozen=True)
class Limb:
    """Angles of an arm or a leg, radians: away from the trunk in its plane, towards the front, and the bend below."""

    away: float
    front: float
    bend: float
    lower_front: float


@dataclass(frozen=True)
class Posture:
    """How the body lies at one moment.

    Attributes:
        x, y: middle of the trunk on the mattress, metres.
        heading: of the head, radians from +x, counter-clockwise from above.
        roll: about the long axis, radians: 0 on the back, +pi/2 on the left side, -pi/2 on the right, +-pi on the belly.
        head_turn: of the face against straight up, radians, the same way as roll.
        left_arm, right_arm, left_leg, right_leg: limbs.
        chest: how much deeper the chest is than at rest, a share.
        eyes, mouth: how far open, 0..1.
    """

    x: float
    y: float
    heading: float
    roll: float
    head_turn: float
    left_arm: Limb
    right_arm: Limb
    left_leg: Limb
    right_leg: Limb
    chest: float
    eyes: float
    mouth: float


@dataclass(frozen=True)
class Dress:
    """What the infant looks like: sleepsuit, skin, hair, iris."""

    suit: Material
    skin: Material
    hair: Material
    iris: Material
    size: float


@dataclass(frozen=True)
class Bones:
    """Joints in the world, metres, by the names of `KEYPOINTS` and a few more; the trunk's and the head's rotation."""

    joints: dict[str, Vector]
    trunk: Rotation
    head: Rotation
    size: float

    def chest_top_m(self, chest: float) -> float:
        """Height of the highest point of the chest above the mattress."""
        half = tuple(self.size * side for side in (_CHEST[0], _CHEST[1], _CHEST[2] * (1 + chest)))
        up = (self.trunk[6], self.trunk[7], self.trunk[8])  # the world's up in the body's frame
        squares = [half[k] * up[k] * half[k] * up[k] for k in range(3)]
        return self.joints["chest"][2] + sqrt(sum(squares))


def bones(posture: Posture, size: float) -> Bones:
    """The joints of a body that lies on a mattress at z = 0."""
    heading = rotation_z(posture.heading - 0.5 * 3.141592653589793)
    trunk = composed(heading, rotation_about((0.0, 1.0, 0.0), posture.roll))
    s, c = exact_sin(posture.roll), exact_cos(posture.roll)
    a, b = _CHEST[0] * size, _CHEST[2] * size
    height = sqrt(a * a * s * s + b * b * c * c)
    root = (posture.x, posture.y, height)

    def at(x: float, y: float, z: float) -> Vector:
        return _plus(root, rotated(trunk, (x * size, y * size, z * size)))

    head_height = _HEAD[2] * size
    head = composed(heading, rotation_about((0.0, 1.0, 0.0), posture.head_turn))
    neck = at(0.0, 0.155, 0.0)
    along = rotated(heading, (0.0, 0.055 * size, 0.0))
    skull = (neck[0] + along[0], neck[1] + along[1], head_height)
    joints = {"chest": at(0.0, 0.05, 0.0), "belly": at(0.0, -0.045, 0.0), "pelvis": at(0.0, -0.115, 0.0), "head": skull}
    joints["nose"] = _plus(skull, rotated(head, (0.0, -0.012 * size, 0.068 * size)))
    front = rotated(trunk, (0.0, 0.0, 1.0))
    limbs = {"left": (posture.left_arm, posture.left_leg), "right": (posture.right_arm, posture.right_leg)}
    for side, sign in SIDES:
        arm, leg = limbs[side]
        reach = _Reach(trunk, front, s * s, sign, size)
        shoulder, hip = at(sign * 0.07, 0.105, 0.0), at(sign * 0.042, -0.135, 0.0)
        elbow = reach.lower_end(shoulder, _UPPER_ARM, arm.away, arm.front, _RADII["upper_arm"])
        wrist = reach.lower_end(elbow, _FOREARM, arm.away + arm.bend, arm.lower_front, _RADII["forearm"])
        knee = reach.lower_end(hip, _THIGH, leg.away, leg.front, _RADII["thigh"])
        ankle = reach.lower_end(knee, _SHIN, leg.away - leg.bend, leg.lower_front, _RADII["shin"])
        joints |= {
            f"{side}_shoulder": shoulder,
            f"{side}_elbow": elbow,
            f"{side}_wrist": wrist,
            f"{side}_hip": hip,
            f"{side}_knee": knee,
            f"{side}_ankle": ankle,
        }
    return Bones(joints, trunk, head, size)


@dataclass(frozen=True)
class _Reach:
    """Where a bone ends that starts at a joint: along its angles, but no deeper than the mattress and pulled down."""

    trunk: Rotation
    front: Vector
    sideways: float  # 1 on a side, 0 on back or belly: limbs come to the front then
    sign: float
    size: float

    def lower_end(self, start: Vector, length: float, away: float, front: float, radius: float) -> Vector:
        flat = exact_cos(front)
        own = (self.sign * exact_sin(away) * flat, -exact_cos(away) * flat, exact_sin(front))
        x, y, z = rotated(self.trunk, own)
        x, y = x + 0.9 * self.sideways * self.front[0], y + 0.9 * self.sideways * self.front[1]
        length, low = length * self.size, radius * self.size
        goal = start[2] + length * z
        goal = low + _FALL * (goal - low) if goal > low else low
        drop = min(0.95 * length, max(-0.95 * length, goal - start[2]))
        across = sqrt(x * x + y * y)
        if across < 1e-6:
            x, y, across = self.front[0] + 1e-6, self.front[1], sqrt(self.front[0] ** 2 + self.front[1] ** 2) + 1e-6
        level = sqrt(length * length - drop * drop) / across
        return (start[0] + x * level, start[1] + y * level, start[2] + drop)


def _plus(a: Vector, b: Vector) -> Vector:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def infant(posture: Posture, skeleton: Bones, dress: Dress) -> list[Instance]:
    """The shapes of the body; always the same number of them, in the same order, so that they can be followed."""
    size, joints, trunk = skeleton.size, skeleton.joints, skeleton.trunk
    suit, skin = dress.suit, dress.skin
    deep = 1 + posture.chest
    trunk_middle = _plus(joints["chest"], rotated(trunk, (0.0, -0.05 * size, 0.0)))
    scale = (size, size, size * deep)
    made = [Instance(_trunk_mesh(), (suit,), Pose(trunk_middle, trunk, scale), group="infant")]
    for side, _ in SIDES:
        bones_of_side = (
            ("shoulder", "elbow", "upper_arm", suit),
            ("elbow", "wrist", "forearm", suit),
            ("hip", "knee", "thigh", suit),
            ("knee", "ankle", "shin", suit),
        )
        for upper, lower, name, material in bones_of_side:
            made.append(_rod(joints[f"{side}_{upper}"], joints[f"{side}_{lower}"], _RADII[name] * size, material))
        for lower, upper, name, material in (("wrist", "elbow", "hand", skin), ("ankle", "knee", "foot", suit)):
            made.append(_end(joints[f"{side}_{upper}"], joints[f"{side}_{lower}"], _RADII[name] * size, material))
    return made + _head(posture, skeleton, dress)


@lru_cache(maxsize=1)
def _trunk_mesh() -> Mesh:
    """Chest, belly, pelvis and neck of a body of size 1 as one soft shape about the trunk's middle, cloth from the front."""
    wide = 0.03
    cones = []
    for sign in (-1.0, 1.0):
        cones += [
            Cone((sign * 0.026, 0.085, 0.0), (sign * 0.03, 0.0, 0.0), 0.042, 0.045),
            Cone((sign * 0.03, 0.0, 0.0), (sign * wide, -0.12, 0.0), 0.045, 0.044),
            Cone((0.0, 0.1, 0.0), (sign * 0.072, 0.1, 0.0), 0.036, 0.028),
        ]
    cones += [
        Cone((0.0, 0.06, 0.004), (0.0, -0.05, 0.008), 0.048, 0.052),
        Cone((0.0, 0.1, 0.0), (0.0, 0.15, 0.0), 0.036, 0.03),
    ]
    soft = flesh(cones, cell_m=0.007, join_m=0.03)
    at = soft.positions[soft.triangles]
    return frozen(replace(soft, uvs=np.stack([at[..., 0], -at[..., 1]], axis=-1) / 0.12))


def _head(posture: Posture, skeleton: Bones, dress: Dress) -> list[Instance]:
    size, turn, middle = skeleton.size, skeleton.head, skeleton.joints["head"]

    def on(x: float, y: float, z: float) -> Vector:
        return _plus(middle, rotated(turn, (x * size, y * size, z * size)))

    lips = Material((0.42, 0.12, 0.11))
    lid = Material((0.28, 0.14, 0.1))
    white = Material((0.75, 0.74, 0.72), kind="coat", roughness=0.1)
    made = [
        _ball(_HEAD, size, middle, turn, dress.skin),
        _ball((0.0585, 0.062, 0.06), size, on(0.0, 0.012, -0.0085), turn, dress.hair),
        _ball((0.009, 0.01, 0.008), size, on(0.0, -0.012, 0.063), turn, dress.skin),
        _ball((0.027, 0.028, 0.012), size, on(0.0, -0.027, 0.049), turn, dress.skin),
        # The mouth: a line that grows into a hole.
        _ball(
            (0.0115, 0.01, 0.006),
            size,
            on(0.0, -0.036, 0.055),
            turn,
            lips,
            scale=(1.0, 0.22 + 0.95 * posture.mouth, 1.0),
        ),
    ]
    for _, sign in SIDES:
        made.append(_ball((0.007, 0.015, 0.011), size, on(sign * 0.058, -0.004, 0.004), turn, dress.skin))
        eye = on(sign * 0.0225, 0.002, 0.0525)
        opened = 0.16 + 0.84 * posture.eyes
        made.append(
            _ball(
                (0.0105, 0.0075, 0.007), size, eye, turn, white if posture.eyes > 0.3 else lid, scale=(1.0, opened, 1.0)
            )
        )
        iris = on(sign * 0.0225, 0.002, 0.0562 if posture.eyes > 0.3 else 0.05)
        made.append(_ball((0.0052, 0.0052, 0.0045), size, iris, turn, dress.iris))
    return made


def _ball(
    half: Vector,
    size: float,
    centre: Vector,
    rotation: Rotation,
    material: Material,
    *,
    scale: Vector = (1.0, 1.0, 1.0),
) -> Instance:
    mesh = ellipsoid((2 * half[0] * size, 2 * half[1] * size, 2 * half[2] * size), 20)
    # Shapes stand on z = 0 in their own frame; this one is meant by its middle.
    down = rotated(rotation, (0.0, 0.0, -half[2] * size * scale[2]))
    return Instance(mesh, (material,), Pose(_plus(centre, down), rotation, scale), group="infant")


def _between(start: Vector, end: Vector) -> tuple[Rotation, Vector, float]:
    """The rotation that takes +z along a bone, its direction and its length."""
    way = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
    length = sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2])
    unit = (way[0] / length, way[1] / length, way[2] / length)
    return aimed(np.array(unit)), unit, length


def _rod(start: Vector, end: Vector, radius: float, material: Material) -> Instance:
    rotation, unit, length = _between(start, end)
    mesh: Mesh = capsule(round(radius, 5), round(length + 2 * radius, 5), 14)
    base = (start[0] - radius * unit[0], start[1] - radius * unit[1], start[2] - radius * unit[2])
    return Instance(mesh, (material,), Pose(base, rotation), group="infant")


def _end(upper: Vector, lower: Vector, radius: float, material: Material) -> Instance:
    """A hand or a foot that goes on where a bone ends."""
    rotation, unit, _ = _between(upper, lower)
    half = 1.45 * radius
    mesh = ellipsoid((2 * radius, 1.5 * radius, 2 * half), 14)
    low = 0.2 * half
    base = (lower[0] - low * unit[0], lower[1] - low * unit[1], max(lower[2], 0.75 * radius))
    return Instance(mesh, (material,), Pose(base, rotation), group="infant")
