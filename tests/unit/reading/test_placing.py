"""What Pillow alone does as an image processor does (`tests/unit/artifacts/test_export.py` has the processors)."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from toolkit.reading import placing

RESIZED = {"do_resize": True, "size": {"height": 8, "width": 8}, "resample": 2}


def by_nearest(image):
    return np.array(image.resize((8, 8), Image.Resampling.NEAREST))


@pytest.mark.parametrize(
    "processor",
    [
        {"do_resize": True, "size": None, "resample": 2},
        {"do_resize": True, "resample": 2},
        {"do_resize": True, "size": {"longest_edge": 8}, "resample": 2},
        RESIZED,  # in another way than it says
    ],
)
def test_a_processor_that_does_something_else_has_no_recipe(processor):
    assert placing.recipe(SimpleNamespace(**processor), "RGB", (8, 8, 3), by_nearest) is None


def test_one_that_does_as_it_says_has_one():
    found = placing.recipe(SimpleNamespace(**RESIZED | {"resample": 0}), "RGB", (8, 8, 3), by_nearest)
    assert found == {"mode": "RGB", "size": {"height": 8, "width": 8}, "crop": None, "resample": 0}
