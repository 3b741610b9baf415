import pytest

from toolkit.compression import quantize
from toolkit.errors import ToolkitError


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        (("openvino", None, "text", None), ("static", 8)),
        (("openvino", None, "image", None), ("static", 8)),
        (("onnx", None, "text", None), ("dynamic", 8)),
        (("onnx", None, "image", None), ("static", 8)),
        (("torch", None, "text", None), ("dynamic", 8)),
        (("openvino", "weights", "text", 4), ("weights", 4)),
        (("torch", "bf16", "image", None), ("bf16", 16)),
    ],
)
def test_defaults(asked, done):
    assert quantize.resolve(*asked) == done


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("openvino", "dynamic", "text", None), "use --backend onnx or --backend torch"),
        (("onnx", "static", "text", None), "use --backend openvino or --method dynamic"),
        (("onnx", "qat", "image", None), "use --backend openvino or --method static"),
        (("openvino", "bf16", "image", None), "use --backend torch"),
        (("openvino", "static", "text", 4), "use --method weights"),
        (("openvino", "weights", "text", 5), "leave --bits out"),
    ],
)
def test_what_is_not_done_is_refused_with_what_is(asked, says):
    with pytest.raises(ToolkitError, match=says):
        quantize.resolve(*asked)
