#!/usr/bin/env python3
"""Makes the files of this folder, with Pillow and torchvision as oracles (Debian's python3-pil 9.4, python3-torchvision 0.14):
image files of one 37x29 picture in every kind of encoding; what Pillow decodes of them; resizes, colour operations and an evaluation
transform of picture.png. Run here; the files are kept, so that tests need neither."""
import io
import struct
import zlib

import numpy as np
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image, ImageOps

H, W = 29, 37
rng = np.random.default_rng(7)
y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([x * 255 / W, y * 255 / H, 128 + 100 * np.sin(x / 3.0) * np.cos(y / 4.0)], -1) + rng.normal(0, 12, (H, W, 3))
rgb = np.clip(rgb, 0, 255).astype(np.uint8)
picture = Image.fromarray(rgb)
alpha = np.clip(x * 8, 0, 255).astype(np.uint8)
rgba = Image.fromarray(np.dstack([rgb, alpha]))
names = []


def keep(name, image, **options):
    image.save(name, **options)
    names.append(name)


def keep_png16(name):
    """16 bits a channel, of which Pillow (and rgc) keep the high 8: the low ones here would change a rounded value."""
    deep = rgb.astype(">u2") * 256 + 200
    rows = b"".join(b"\0" + deep[row].tobytes() for row in range(H))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    with open(name, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in chunks:
            f.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    names.append(name)


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e.tobytes()


def stored_for(orientation):
    """What a camera stores that turned upright is the picture: the inverse of exif_transpose's move."""
    inverse = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
               5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}[orientation]
    return picture if inverse is None else picture.transpose(inverse)


keep("baseline.jpg", picture, quality=90)
keep("progressive_444.jpg", picture, quality=80, progressive=True, subsampling=0)
keep("gray.jpg", picture.convert("L"), quality=85)
keep("cmyk.jpg", picture.convert("CMYK"), quality=90)
for o in range(2, 9):
    keep(f"orientation{o}.jpg", stored_for(o), quality=92, subsampling=0, exif=exif(o))
keep("picture.png", picture)
keep("gray.png", picture.convert("L"))
keep("gray_alpha.png", Image.merge("LA", [picture.convert("L"), Image.fromarray(alpha)]))
keep("rgba.png", rgba)
keep("palette.png", picture.quantize(16))
keep("palette_transparent.png", picture.quantize(16), transparency=3)
keep("bits1.png", picture.convert("1"))
keep("bits4.png", picture.convert("L").quantize(8), bits=4)
keep_png16("rgb16.png")
keep("orientation8.png", stored_for(8), exif=exif(8))
keep("lossy.webp", picture, quality=80)
keep("lossless.webp", picture, lossless=True)
keep("alpha.webp", rgba, lossless=True, exact=True)
keep("orientation6.webp", stored_for(6), lossless=True, exif=exif(6))
# Of an animation the first frame counts; the others are inverted.
keep("animated.webp", picture, save_all=True, append_images=[ImageOps.invert(picture)] * 2, lossless=True, duration=50)
keep("animated_alpha.webp", rgba, save_all=True, append_images=[rgba.rotate(180)], lossless=True, duration=50)

open("names.txt", "w").write("".join(n + "\n" for n in names))
upright = [ImageOps.exif_transpose(Image.open(n)) for n in names]
np.save("decoded_rgb.npy", np.stack([np.asarray(i.convert("RGB")) for i in upright]))
# Pillow decodes to L from the RGB that a file decodes to.
np.save("decoded_gray.npy", np.stack([np.asarray(i.convert("L") if i.mode in ("L", "LA", "1") else i.convert("RGB").convert("L")) for i in upright]))

for filter_name, how in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
    for h, w in ((13, 17), (50, 61), (29, 5)):
        np.save(f"resized_{filter_name}_{h}x{w}.npy", np.asarray(picture.resize((w, h), how)))

jpeg = Image.open(io.BytesIO(open("baseline.jpg", "rb").read()))
jpeg.draft("RGB", (W // 2, H // 2))
np.save("baseline_half.npy", np.asarray(jpeg.convert("RGB")))

# The order is that of rows in tests/unit/test_images.c.
operations = [F.adjust_brightness(picture, 0.3), F.adjust_brightness(picture, 1.7), F.adjust_contrast(picture, 0.4), F.adjust_contrast(picture, 1.9),
              F.adjust_saturation(picture, 0.25), F.adjust_saturation(picture, 1.6), F.adjust_sharpness(picture, 0.1), F.adjust_sharpness(picture, 1.9),
              F.adjust_hue(picture, 0.1), F.adjust_hue(picture, -0.37), F.posterize(picture, 3), F.solarize(picture, 100.5), F.autocontrast(picture),
              F.equalize(picture), F.affine(picture, 0, [0, 0], 1.0, [np.degrees(np.arctan(0.4)), 0.0], center=[0, 0]),
              F.affine(picture, 0, [0, 0], 1.0, [0.0, np.degrees(np.arctan(-0.3))], center=[0, 0]), F.affine(picture, 0, [5, 0], 1.0, [0.0, 0.0]),
              F.affine(picture, 0, [0, -7], 1.0, [0.0, 0.0]), F.rotate(picture, 33.0), F.rotate(picture, -101.0), F.hflip(picture)]
np.save("operations.npy", np.stack([np.asarray(i) for i in operations]))

evaluate = T.Compose([T.Resize(24), T.CenterCrop(20), T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
np.save("evaluated_24_20.npy", evaluate(Image.open("baseline.jpg").convert("RGB")).permute(1, 2, 0).numpy().copy())
np.save("centred_40x31.npy", np.asarray(F.center_crop(picture, [40, 31])))
