"""Maps of floats as the whole numbers that units store, and back.

Owns how depth, normals, illumination and flow are written, which docs/annotations.md promises to readers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.render.protocol import DEPTH_UNIT_M, LIGHT_SCALE

Floats = NDArray[np.float32]

FLOW_SCALE = 64.0  # steps a pixel
FLOW_ZERO = 32_768


def stored_depth(depth_m: Floats) -> NDArray[np.uint16]:
    """Metres as uint16 millimetres; 0 stays nothing, and what is farther than 65.535 m is 65,535."""
    return _stored_depth(np.ascontiguousarray(depth_m))


@compiled
def _stored_depth(depth_m: Floats) -> NDArray[np.uint16]:
    out = np.empty(depth_m.shape, np.uint16)
    steps = np.float32(1.0 / DEPTH_UNIT_M)
    flat, target = depth_m.reshape(-1), out.reshape(-1)
    for place in range(len(flat)):
        if flat[place] > np.float32(0.0):  # what is there is at least 1 mm away, so that 0 stays nothing
            value = flat[place] * steps + np.float32(0.5)
            target[place] = np.uint16(min(max(value, np.float32(1.0)), np.float32(65_535.0)))
        else:
            target[place] = 0
    return out


def depth_m_of(stored: NDArray[np.uint16]) -> Floats:
    """float32 metres of a stored depth; 0 where there is nothing."""
    return stored.astype(np.float32) * np.float32(DEPTH_UNIT_M)


def stored_normals(normals: Floats) -> NDArray[np.uint8]:
    """Unit vectors (height, width, 3) as round(127.5 + 127.5 n); three zeros for nothing."""
    return _stored_normals(np.ascontiguousarray(normals))


@compiled
def _stored_normals(normals: Floats) -> NDArray[np.uint8]:
    out = np.zeros(normals.shape, np.uint8)
    half = np.float32(127.5)
    for y in range(normals.shape[0]):
        for x in range(normals.shape[1]):
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            if nx != np.float32(0.0) or ny != np.float32(0.0) or nz != np.float32(0.0):
                # Adding 128 rounds: 127.5 of the scale and the half that truncation takes.
                out[y, x, 0] = np.uint8(min(max(half * nx + np.float32(128.0), np.float32(0.0)), np.float32(255.0)))
                out[y, x, 1] = np.uint8(min(max(half * ny + np.float32(128.0), np.float32(0.0)), np.float32(255.0)))
                out[y, x, 2] = np.uint8(min(max(half * nz + np.float32(128.0), np.float32(0.0)), np.float32(255.0)))
    return out


def normals_of(stored: NDArray[np.uint8]) -> Floats:
    """float32 (height, width, 3) of stored normals, unit length to 1 %; zeros for nothing."""
    normals = (stored.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
    return np.where(stored.any(axis=-1, keepdims=True), normals, np.float32(0.0))


def stored_illumination(light: Floats) -> NDArray[np.uint8]:
    """Light on a surface as 128 times its root: 1 is 128, and from 3.97 on it is 255."""
    return _stored_illumination(np.ascontiguousarray(light))


@compiled
def _stored_illumination(light: Floats) -> NDArray[np.uint8]:
    out = np.empty(light.shape, np.uint8)
    flat, target = light.reshape(-1), out.reshape(-1)
    for place in range(len(flat)):
        value = flat[place]
        root = np.sqrt(value) if value > np.float32(0.0) else np.float32(0.0)  # also for NaN
        target[place] = np.uint8(min(root * np.float32(LIGHT_SCALE) + np.float32(0.5), np.float32(255.0)))
    return out


def illumination_of(stored: NDArray[np.uint8]) -> Floats:
    """float32 light of a stored illumination."""
    root = stored.astype(np.float32) / np.float32(LIGHT_SCALE)
    return root * root


def stored_flow(flow_px: Floats, ids: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Flow (height, width, 2) in pixels as KITTI writes it: 64 u + 32768, 64 v + 32768, 1 where something is there."""
    steps = np.floor(flow_px.astype(np.float64) * FLOW_SCALE + (FLOW_ZERO + 0.5))
    there = ids > 0
    out = np.zeros((*ids.shape, 3), np.uint16)
    out[..., :2] = np.where(there[..., None], np.clip(np.nan_to_num(steps), 0, 65_535), 0).astype(np.uint16)
    out[..., 2] = there
    return out


def flow_px_of(stored: NDArray[np.uint16]) -> tuple[Floats, NDArray[np.bool_]]:
    """float32 (height, width, 2) pixels of a stored flow, and where it holds."""
    valid = stored[..., 2] > 0
    flow = (stored[..., :2].astype(np.float32) - np.float32(FLOW_ZERO)) / np.float32(FLOW_SCALE)
    return np.where(valid[..., None], flow, np.float32(0.0)), valid
