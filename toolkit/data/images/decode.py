"""Bytes to an upright RGB picture, safely, and the repair of what is readable but not as it should be."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 64_000_000
# No EPS and the like: PIL hands those to other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM")
QUALITY = 95
_ORIENTATION = 0x0112  # EXIF tag


class Unreadable(ValueError):
    """The bytes are no image that can be read whole; says why."""


@dataclass(frozen=True)
class Picture:
    """A decoded image: upright RGB, of an animation the first frame."""

    image: Image
    format: str
    mode: str  # of the file
    profile: bytes | None  # ICC, where it fits RGB
    wrong: tuple[str, ...]  # what `repair` would mend


def decode(data: bytes | None) -> Picture:
    """The picture in the bytes. The size is checked in the header, before any pixel is unpacked.

    Raises:
        Unreadable: no bytes, no known format, cut short, broken, or more than `MAX_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise Unreadable("no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's, on sizes that are refused here anyway and on odd metadata
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return _picture(opened)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise Unreadable(_stranger(data)) from None
    except Exception as e:  # decoders raise anything on broken bytes
        raise Unreadable(f"broken: {e}" if str(e) else f"broken: {type(e).__name__}") from None


def _stranger(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return "HEIC and films are not read; convert to JPEG"
    if data.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF")):
        return "broken: the header cannot be read"
    return f"no image of a format that is read ({', '.join(FORMATS)})"


def _picture(opened: Any) -> Picture:
    from PIL import ImageOps

    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise Unreadable(f"{width} x {height} is more than {MAX_PIXELS:,} pixels")
    if min(width, height) < 1:
        raise Unreadable("has no pixels")
    mode, wrong = opened.mode, []
    if mode != "RGB":
        wrong.append(f"mode {mode} to RGB")
    elif opened.has_transparency_data:
        wrong.append("transparency to white")
    if turned := _turned(opened):
        wrong.append("turned upright")
    if opened.format not in ("JPEG", "MPO") and getattr(opened, "is_animated", False):
        wrong.append("first frame")  # what a phone puts behind the picture in a JPEG is no animation
    opened.load()
    image = _rgb(ImageOps.exif_transpose(opened) if turned else opened)
    profile = opened.info.get("icc_profile") if mode in ("RGB", "RGBA", "P", "PA") else None
    return Picture(image, opened.format, mode, profile, tuple(wrong))


def _turned(opened: Any) -> bool:
    try:
        return opened.getexif().get(_ORIENTATION, 1) in range(2, 9)
    except Exception:  # broken EXIF says nothing about the pixels
        return False


def _rgb(image: Any) -> Any:
    if image.mode.startswith(("I", "F")):
        return _scaled(image)
    if image.mode == "CMYK" and image.info.get("icc_profile"):
        return _by_profile(image)
    return opaque(image)


def opaque(image: Any) -> Any:
    """RGB, by Pillow's own formula; what is transparent lies on white."""
    from PIL import Image

    if image.has_transparency_data:
        whole = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled(image: Any) -> Any:
    """16 bits or real numbers to 8 bits, by the smallest even number of bits that holds the brightest pixel.

    So the brightness within a series of 12-bit images stays comparable, and none of them turns black.
    """
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = min(float(values.min()), 0.0), float(values.max())
    top = 1.0 if image.mode.startswith("F") and high <= 1 else next((b for b in _TOPS if high <= b), high)
    grey = np.clip((values - low) * (255.0 / (top - low)), 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


_TOPS = tuple(float((1 << bits) - 1) for bits in range(8, 34, 2))


def _by_profile(image: Any) -> Any:
    """CMYK by its own colour profile: the plain formula is far off for print colours."""
    try:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # a broken profile, or a PIL built without them
        return image.convert("RGB")


def inspect(cell: dict[str, Any] | None) -> dict[str, Any]:
    """Width and height (upright), format, mode, what is wrong, and `error` (None where it can be read)."""
    try:
        seen = decode((cell or {}).get("bytes"))
    except Unreadable as e:
        return {"error": str(e)}
    width, height = seen.image.size
    return {
        "width": width,
        "height": height,
        "format": seen.format,
        "mode": seen.mode,
        "wrong": list(seen.wrong),
        "error": None,
    }


def repair(data: bytes | None) -> tuple[bytes | None, str]:
    """(new bytes, what was mended), or (None, "") where nothing is wrong; repairing again changes nothing.

    Every mode becomes RGB, grey too, since training wants one number of channels; transparent parts become white
    (dropping alpha would show the colours hidden below). The EXIF orientation is applied. Of an animation the first
    frame stays. What was mended is written anew, without metadata but the colour profile: a JPEG as JPEG (quality 95,
    no chroma subsampling), all else as PNG.

    Raises:
        Unreadable: as `decode`.
    """
    seen = decode(data)
    if not seen.wrong:
        return None, ""
    out = io.BytesIO()
    seen.image.info = {}
    if seen.format in ("JPEG", "MPO"):
        seen.image.save(out, "JPEG", quality=QUALITY, subsampling=0, icc_profile=seen.profile)
    else:
        seen.image.save(out, "PNG", icc_profile=seen.profile)
    return out.getvalue(), ", ".join(seen.wrong)
