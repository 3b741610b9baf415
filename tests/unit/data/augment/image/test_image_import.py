import subprocess
import sys

CODE = """
import os, socket, sys
os.environ.pop("NO_ALBUMENTATIONS_UPDATE", None)
socket.socket.connect = lambda *_: os._exit(3)
socket.getaddrinfo = lambda *_, **__: os._exit(4)
from toolkit import quiet
assert quiet.albumentations().__version__ == "2.0.8"
import cv2
assert cv2.getNumThreads() == 1
assert "torch" not in sys.modules
assert "albumentations.pytorch" not in sys.modules
"""


def test_albumentations_is_imported_without_network_threads_and_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
