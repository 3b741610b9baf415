import io
import random
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageEnhance, ImageOps

from toolkit.data import images
from toolkit.data.images import decode, near


def encode(image, form="PNG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def cell(image, form="PNG", **options):
    return {"bytes": encode(image, form, **options), "path": "x"}


def pixels(data):
    return np.asarray(decode.decode(data).image).astype(int)


def picture(seed, size=(96, 80)):
    """A picture of its own: soft colours and a few bars."""
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(40, 200, (5, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(soft)
    for _ in range(4):
        x, y, w, h = rng.integers(0, 60), rng.integers(0, 50), rng.integers(8, 36), rng.integers(8, 30)
        draw.rectangle((x, y, x + w, y + h), fill=tuple(rng.integers(20, 220, 3).tolist()))
    return soft


PICTURE = picture(0)
FRAMES = {"save_all": True, "append_images": [picture(1)]}


# --- decoding and repair ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF"])
def test_what_is_right_stays(form):
    data = encode(PICTURE, form)
    assert images.repair(data) == (None, "")
    found = images.inspect({"bytes": data})
    assert found == {"width": 96, "height": 80, "format": form, "mode": "RGB", "wrong": [], "error": None}


WRONG = {
    "grey": (encode(PICTURE.convert("L"), "JPEG"), "mode L to RGB", "JPEG"),
    "bilevel": (encode(PICTURE.convert("1")), "mode 1 to RGB", "PNG"),
    "palette": (encode(PICTURE.quantize(128)), "mode P to RGB", "PNG"),
    "cmyk": (encode(PICTURE.convert("CMYK"), "JPEG", quality=95), "mode CMYK to RGB", "JPEG"),
    "alpha": (encode(PICTURE.convert("RGBA")), "mode RGBA to RGB", "PNG"),
    "grey alpha": (encode(PICTURE.convert("LA")), "mode LA to RGB", "PNG"),
    "one colour transparent": (encode(PICTURE, transparency=(1, 2, 3)), "transparency to white", "PNG"),
    "16 bits": (encode(Image.fromarray(np.arange(4800, dtype=np.uint16).reshape(60, 80))), "mode I;16 to RGB", "PNG"),
    "real": (encode(Image.fromarray(np.eye(40, dtype=np.float32)), "TIFF"), "mode F to RGB", "PNG"),
    "animated png": (encode(PICTURE, **FRAMES), "first frame", "PNG"),
    "animated gif": (encode(PICTURE, "GIF", **FRAMES), "mode P to RGB, first frame", "PNG"),
    "animated webp": (encode(PICTURE, "WEBP", lossless=True, **FRAMES), "first frame", "PNG"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_mended_once(name):
    data, told, form = WRONG[name]
    mended, what = images.repair(data)
    assert what == told
    opened = Image.open(io.BytesIO(mended))
    assert (opened.mode, opened.format, getattr(opened, "n_frames", 1)) == ("RGB", form, 1)
    difference = np.abs(pixels(mended) - pixels(data))
    assert difference.max() == 0 if form == "PNG" else difference.mean() < 4
    assert images.repair(mended) == (None, "")
    assert images.inspect({"bytes": data})["wrong"] == told.split(", ")


def test_colours_survive_the_repair():
    for kind in ("palette", "cmyk", "alpha", "animated png", "animated webp"):
        assert np.abs(pixels(images.repair(WRONG[kind][0])[0]) - np.asarray(PICTURE)).mean() < 12, kind
    grey = pixels(images.repair(WRONG["grey"][0])[0])
    assert np.abs(grey - np.asarray(PICTURE.convert("L"))[:, :, None]).mean() < 4


def test_transparent_parts_become_white():
    hidden = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
    hidden.paste((0, 0, 200, 255), (0, 0, 10, 10))
    shown = pixels(images.repair(encode(hidden))[0])
    assert shown[:, :10].reshape(-1, 3).tolist() == [[0, 0, 200]] * 100
    assert shown[:, 10:].reshape(-1, 3).tolist() == [[255, 255, 255]] * 100
    key = Image.new("RGB", (4, 4), (9, 9, 9))
    assert pixels(images.repair(encode(key, transparency=(9, 9, 9)))[0]).min() == 255


@pytest.mark.parametrize(("top", "kept"), [(255, 255), (1023, 255), (4000, 249), (65535, 255)])
def test_16_bits_are_scaled_by_the_bits_in_use(top, kept):
    steps = np.linspace(0, top, 256).round().astype(np.uint16).reshape(16, 16)
    shown = pixels(encode(Image.fromarray(steps)))[:, :, 0].reshape(-1)
    assert shown.max() == kept
    assert (np.diff(shown) >= 0).all()
    assert len(set(shown.tolist())) > 200


ORIENTATIONS = {  # how a picture lies in the file that the tag sets upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("tag", ORIENTATIONS)
def test_exif_rotation_is_applied_and_removed(tag, form):
    exif = Image.Exif()
    exif[0x0112] = tag
    data = encode(
        PICTURE.transpose(ORIENTATIONS[tag]), form, exif=exif, **({"lossless": True} if form == "WEBP" else {})
    )
    upright = encode(PICTURE)
    assert images.digest(data) == images.digest(upright)
    assert images.inspect({"bytes": data})["width"] == 96
    mended, what = images.repair(data)
    assert what == "turned upright"
    assert images.digest(mended) == images.digest(upright)
    assert not Image.open(io.BytesIO(mended)).getexif()
    assert images.repair(mended) == (None, "")


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0", b"nonsense"])
def test_broken_exif_is_no_reason(exif):
    data = encode(PICTURE, "JPEG", exif=exif)
    assert images.repair(data) == (None, "")


def test_the_colour_profile_of_rgb_is_kept():
    exif = Image.Exif()
    exif[0x0112] = 3
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    mended, _ = images.repair(encode(PICTURE, "JPEG", icc_profile=profile, exif=exif))
    assert Image.open(io.BytesIO(mended)).info["icc_profile"] == profile
    grey, _ = images.repair(encode(PICTURE.convert("L"), icc_profile=profile))
    assert "icc_profile" not in Image.open(io.BytesIO(grey)).info  # it would not fit


def test_a_broken_profile_of_cmyk_is_passed_over():
    mended, _ = images.repair(encode(PICTURE.convert("CMYK"), "JPEG", icc_profile=b"no profile"))
    assert np.abs(pixels(mended) - np.asarray(PICTURE)).mean() < 12


def png_of(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 10_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8001, 8000), (60_000, 60_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_by_its_header(size):
    limit = Image.MAX_IMAGE_PIXELS
    assert "more than 64,000,000 pixels" in images.inspect({"bytes": png_of(*size)})["error"]
    with pytest.raises(images.Unreadable):
        images.repair(png_of(*size))
    assert limit == Image.MAX_IMAGE_PIXELS


UNREADABLE = {
    "nothing": (None, "no bytes"),
    "empty": (b"", "no bytes"),
    "text": (b"<html>404</html>", "no image of a format"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "postscript": (encode(PICTURE, "EPS"), "no image of a format"),  # PIL would run another program on it
    "cut jpeg": (encode(PICTURE, "JPEG")[:-300], "broken"),
    "cut png": (encode(PICTURE)[:-300], "broken"),
    "cut gif": (encode(PICTURE, "GIF")[:-300], "broken"),
    "header alone": (encode(PICTURE)[:40], "broken: the header"),
    "no pixels": (png_of(0, 5), ""),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_says_why(name):
    data, why = UNREADABLE[name]
    assert why in images.inspect({"bytes": data})["error"]
    for function in (images.repair, images.digest):
        with pytest.raises(images.Unreadable, match=why):
            function(data)


def test_no_cell_is_unreadable():
    assert images.inspect(None)["error"] == "no bytes"
    assert images.look([None, {"bytes": None, "path": "x"}]).error == ["no bytes"] * 2


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]), st.data())
def test_broken_bytes_raise_nothing_else(noise, form, data):
    good = bytearray(encode(PICTURE.resize((16, 12)), form))
    at = data.draw(st.integers(0, len(good)))
    good[at : at + len(noise)] = noise
    for broken in (bytes(good), noise):
        try:
            mended, _ = images.repair(broken)
        except images.Unreadable:
            continue
        assert mended is None or images.repair(mended) == (None, "")


# --- looks ------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_the_pixels():
    same = [encode(PICTURE), encode(PICTURE, "BMP"), encode(PICTURE, compress_level=1), encode(PICTURE, "TIFF")]
    assert len({images.digest(data) for data in same}) == 1
    other = PICTURE.copy()
    other.putpixel((5, 5), (1, 2, 3))
    assert images.digest(encode(other)) != images.digest(same[0])
    flat = Image.new("RGB", (8, 2))
    assert images.digest(encode(flat)) != images.digest(encode(flat.resize((2, 8))))


def test_statistics_of_known_pictures():
    halves = Image.new("RGB", (40, 20))
    halves.paste((255, 255, 255), (20, 0, 40, 20))
    data = encode(halves)
    found = images.statistics({"bytes": data})
    assert tuple(found) == images.looks.STATISTICS
    # the Laplacian is 255 and -255 in two of 40 columns
    assert found == pytest.approx(
        {
            "width": 40,
            "height": 20,
            "aspect": 2,
            "bytes": len(data),
            "brightness": 127.5,
            "contrast": 127.5,
            "sharpness": 255**2 / 20,
            "entropy": 1,
            "colourfulness": 0,
        }
    )
    # of one colour alone: 0.3 times the length of its mean, here red - green = 255 and yellow - blue = 127.5
    red = images.statistics(cell(Image.new("RGB", (9, 9), (255, 0, 0))))
    assert red["colourfulness"] == pytest.approx(0.3 * np.hypot(255, 127.5), rel=0.01)
    assert red["entropy"] == red["contrast"] == red["sharpness"] == 0


def test_statistics_tell_blur_light_and_colour():
    plain = images.statistics(cell(PICTURE))
    small = PICTURE.resize((12, 10)).resize((96, 80), Image.Resampling.BICUBIC)
    assert images.statistics(cell(small))["sharpness"] < 0.2 * plain["sharpness"]
    assert images.statistics(cell(ImageEnhance.Brightness(PICTURE).enhance(0.5)))["brightness"] < plain["brightness"]
    assert images.statistics(cell(PICTURE.convert("L")))["colourfulness"] == 0 < plain["colourfulness"]


def test_large_and_tiny_pictures_have_statistics():
    for size in [(1, 1), (1, 700), (2000, 1), (900, 700)]:
        found = images.statistics(cell(PICTURE.resize(size)))
        assert (found["width"], found["height"]) == size
        assert np.isfinite(list(found.values())).all()
    large = images.statistics(cell(PICTURE.resize((960, 800))))
    small = images.statistics(cell(PICTURE))
    assert large["brightness"] == pytest.approx(small["brightness"], abs=2)


def test_looks_of_a_list_and_of_an_arrow_column_agree():
    cells = [cell(picture(k)) for k in range(70)] + [{"bytes": b"no image", "path": "y"}, None]
    column = pa.chunked_array([pa.array(cells[:10]), pa.array(cells[10:], pa.array(cells[:1]).type)])
    listed, mapped = images.look(cells), images.look(column)
    assert (
        listed.error
        == mapped.error
        == [None] * 70 + ["no image of a format that is read (JPEG, PNG, GIF, BMP, WEBP, TIFF, AVIF, PPM)", "no bytes"]
    )
    for name in ("digest", "luma", "chroma"):
        assert (getattr(listed, name) == getattr(mapped, name)).all()
    assert listed.digest[0].tobytes() == images.digest(cells[0]["bytes"])
    assert not listed.digest[70:].any()
    assert np.isnan(listed.statistics["width"][70:]).all()
    assert (listed.statistics["width"][:70] == 96).all()


def test_only_what_changed_is_looked_at_again():
    looks = images.look([cell(picture(0)), cell(picture(1).convert("L")), {"bytes": b"?", "path": ""}])
    assert looks.wrong == ["", "mode L to RGB", ""]
    before = looks.luma[0].copy()
    looks.see([1, 2], [cell(picture(1)), cell(picture(2))])
    whole = images.look([cell(picture(k)) for k in range(3)])
    assert looks.wrong == whole.wrong
    assert looks.error == whole.error
    assert (looks.digest == whole.digest).all()
    assert (looks.luma[0] == before).all()
    looks.see([0], [None])
    assert looks.error[0] == "no bytes"
    assert not looks.luma[0].any()
    assert np.isnan(looks.statistics["entropy"][0])


# --- near copies ------------------------------------------------------------------------------------------------


def resized(image, share):
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)


COPIES = {
    "equal": lambda i: cell(i, "BMP"),
    "jpeg": lambda i: cell(i, "JPEG", quality=50),
    "half": lambda i: cell(resized(i, 0.5), "JPEG"),
    "larger": lambda i: cell(resized(i, 1.5), "JPEG"),
    "square": lambda i: cell(i.resize((64, 64)), "JPEG"),
    "brighter": lambda i: cell(ImageEnhance.Brightness(i).enhance(1.15), "JPEG"),
    "darker": lambda i: cell(ImageEnhance.Brightness(i).enhance(0.85), "JPEG"),
    "contrast": lambda i: cell(ImageEnhance.Contrast(i).enhance(0.85), "JPEG"),
    "cropped": lambda i: cell(ImageOps.crop(i, 2), "JPEG"),
    "shifted": lambda i: cell(i.crop((3, 0, i.width, i.height)), "JPEG"),
    "palette": lambda i: cell(i.quantize(128)),
}
OTHERS = {
    "mirrored": lambda i: cell(ImageOps.mirror(i)),
    "upside down": lambda i: cell(ImageOps.flip(i)),
    "other colours": lambda i: cell(Image.merge("RGB", i.split()[::-1])),
    "negative": lambda i: cell(ImageOps.invert(i)),
    "half of it": lambda i: cell(i.crop((0, 0, i.width // 2, i.height))),
    "cut by a tenth": lambda i: cell(ImageOps.crop(i, 10)),
}


@pytest.fixture(scope="module")
def pictures():
    return [picture(seed) for seed in range(40)]


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(kind, pictures):
    count = len(pictures)
    found, checked = images.pairs([cell(i) for i in pictures] + [COPIES[kind](i) for i in pictures])
    wrong = [pair for pair in found if pair[1] != pair[0] + count]
    assert not wrong
    assert len(found) >= 0.97 * count
    assert len(found) <= checked < 0.2 * (2 * count) ** 2 / 2


@pytest.mark.parametrize("kind", OTHERS)
def test_others_are_no_copies(kind, pictures):
    assert images.pairs([cell(i) for i in pictures] + [OTHERS[kind](i) for i in pictures])[0] == []


def test_one_background_makes_no_copies():
    """Objects of a quarter of the width at places of their own before the very same background."""
    rng = random.Random(0)
    scene = picture(3)
    cells = []
    for k in range(40):
        x, y = rng.randint(0, 70), rng.randint(0, 54)
        view = scene.copy()
        draw = ImageDraw.Draw(view)
        shape = (draw.ellipse, draw.rectangle)[k % 2]
        shape((x, y, x + 25, y + 25), fill=tuple(rng.randrange(256) for _ in range(3)))
        cells.append(cell(view, "JPEG", quality=90))
    assert images.pairs(cells)[0] == []


def test_a_spot_on_a_plain_ground_is_seen():
    plain = [Image.new("RGB", (320, 320), (180, 180, 180)) for _ in range(3)]
    ImageDraw.Draw(plain[1]).rectangle((150, 150, 160, 160), fill=(150, 150, 150))
    ImageDraw.Draw(plain[2]).rectangle((50, 220, 60, 230), fill=(150, 150, 150))
    assert images.pairs([cell(i) for i in plain])[0] == []


def test_flat_pictures_are_compared_by_colour():
    colours = [(255, 255, 255), (0, 0, 0), (254, 255, 255), (200, 0, 0), (0, 0, 200), (0, 0, 0)]
    assert images.pairs([cell(Image.new("RGB", (30, 20), c)) for c in colours])[0] == [(0, 2), (1, 5)]


def test_the_first_of_equal_pictures_stands_for_all(pictures):
    """Five equal pictures and a near copy of them make five pairs, not fifteen."""
    cells = [cell(pictures[0])] * 3 + [cell(pictures[1])] + [COPIES["half"](pictures[0])] + [cell(pictures[0])] * 2
    assert images.pairs(cells)[0] == [(0, 1), (0, 2), (0, 4), (0, 5), (0, 6)]


def test_unreadable_images_are_near_nothing():
    assert images.pairs(
        [{"bytes": b"", "path": ""}, None, {"bytes": b"x", "path": ""}, {"bytes": b"x", "path": ""}]
    ) == (
        [],
        0,
    )
    assert images.pairs([]) == ([], 0)
    assert images.pairs([cell(PICTURE)]) == ([], 0)


def test_pairs_do_not_depend_on_order(pictures):
    cells = [cell(i) for i in pictures[:20]] + [COPIES["brighter"](i) for i in pictures[:20]]
    order = random.Random(1).sample(range(40), 40)
    found = {frozenset(pair) for pair in images.pairs(cells)[0]}
    shuffled = images.pairs([cells[i] for i in order])[0]
    assert {frozenset((order[a], order[b])) for a, b in shuffled} == found
    assert shuffled == sorted(shuffled)
    assert len(found) > 18


def test_pairs_of_some_rows_and_by_another_seed(pictures):
    looks = images.look([cell(i) for i in pictures] + [COPIES["jpeg"](i) for i in pictures])
    whole = images.pairs(looks)[0]
    assert images.pairs(looks, seed=1)[0] == whole
    numbers = np.array([40, 3, 0, 41, 43])
    assert images.pairs(looks, numbers=numbers)[0] == [(0, 40), (3, 43)]


def test_a_candidate_is_compared_once_however_large_the_blocks(pictures, monkeypatch):
    looks = images.look([COPIES[kind](i) for i in pictures[:8] for kind in ("jpeg", "half", "contrast")])
    vectors = near._vectors(looks.luma, looks.chroma)

    def proposed():
        return [pair for left, right in near._candidates(vectors, "") for pair in zip(left, right, strict=True)]

    found = proposed()
    assert len(found) == len(set(found)) >= 24
    assert all(a < b for a, b in found)
    monkeypatch.setattr(near, "_AT_ONCE", 3)
    assert set(proposed()) == set(found)


@pytest.mark.parametrize("count", [2000, 20_000])
def test_copies_are_proposed_however_many_pictures_there_are(count):
    """Vectors at the angle at which a tenth of the bits differ; others are few, of ten times as many pictures too."""
    rng = np.random.default_rng(0)
    one, across = np.linalg.qr(rng.normal(size=(count // 2, 96, 2)))[0].transpose(2, 0, 1)
    other = one * np.cos(0.1 * np.pi) + across * np.sin(0.1 * np.pi)
    vectors = np.concatenate([one, other]).astype(np.float32)
    found, checked = 0, 0
    for left, right in near._candidates(vectors, ""):
        found += int((right - left == count // 2).sum())
        checked += len(left)
    assert found >= 0.998 * count / 2
    assert checked < 5 * count


def test_likeness_does_not_depend_on_side_or_block(pictures, monkeypatch):
    """Crops by 4% of two sides, half of the pairs the other way round: one way alone finds fewer."""
    whole = images.look([cell(i) for i in pictures])
    crops = images.look([cell(i.crop((4, 3, i.width, i.height))) for i in pictures])
    forward = near.alike(whole.luma, crops.luma, whole.chroma, crops.chroma)
    assert forward.sum() >= 38
    assert (near.alike(crops.luma, whole.luma, crops.chroma, whole.chroma) == forward).all()
    monkeypatch.setattr(near, "_BLOCK", 7)
    assert (near.alike(whole.luma, crops.luma, whole.chroma, crops.chroma) == forward).all()


# --- sheets -----------------------------------------------------------------------------------------------------


def test_a_sheet_holds_all_pictures():
    paper = Image.open(
        io.BytesIO(images.sheet([cell(PICTURE), None, cell(Image.new("RGB", (300, 30)))], columns=2, size=48))
    )
    assert paper.format == "PNG"
    assert paper.size == (2 + 2 * 50, 2 + 2 * 50)
    shown = np.asarray(paper)
    assert (shown[10:40, 10:40] != 255).any()
    assert (shown[2:50, 52:100] == 128).sum() > 300  # the crossed box
    assert (shown[74:76, 4:48] == 0).all()
    assert images.thumbnail(cell(PICTURE), 24).size == (24, 20)
