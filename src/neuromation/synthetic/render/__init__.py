"""Pictures and perfect labels of scenes."""

from __future__ import annotations

from functools import cache
from typing import Literal

from neuromation.synthetic.errors import BadParameters
from neuromation.synthetic.render.protocol import Frame, Renderer

__all__ = ["Frame", "Renderer", "default_renderer", "renderer_named", "warm_up"]


@cache
def default_renderer() -> Renderer:
    """The exact renderer, one for the process."""
    from neuromation.synthetic.render.exact_renderer import ExactRenderer

    return ExactRenderer()


def renderer_named(name: Literal["exact", "photoreal", "gpu"]) -> Renderer:
    """The renderer of a tier: `exact`, the default; `photoreal` and `gpu` need the extra of their name.

    Raises RendererMissing when a library or a graphics driver is not there, BadParameters for another name.
    """
    if name == "exact":
        return default_renderer()
    if name == "photoreal":
        from neuromation.synthetic.render.photoreal import photoreal_renderer

        return photoreal_renderer()
    if name == "gpu":
        from neuromation.synthetic.render.gpu import gpu_renderer

        return gpu_renderer()
    raise BadParameters(f"no renderer is called {str(name)[:40]!r}; there are: exact, photoreal, gpu")


def warm_up() -> None:
    """Compile everything that scenes and the default renderer need, or load what was compiled before.

    The first time on a machine takes tens of seconds; set-up and nodes call it so that no unit pays for it.
    """
    from neuromation.synthetic.render.warming import warm_exact
    from neuromation.synthetic.scene.warming import warm_scenes

    warm_exact()
    warm_scenes()
