"""What is loaded when: listing generators and reading their parameters costs no compiler."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from neuromation.synthetic import list_generators
for generator in list_generators():
    generator.params_model.model_json_schema()
print(sorted({"numba", "torch", "trimesh", "scipy"} & set(sys.modules)))
"""


def test_listing_generators_and_their_parameters_loads_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
