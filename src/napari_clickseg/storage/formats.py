"""Formats: the one table of what can be read and written; readers, searches and the documentation follow it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    Attributes
    ----------
    name : str
        As people know it.
    kind : str
        Which reader takes it.
    suffixes : tuple of str
        How names of such files end, in small letters; the first one is the usual one.
    images, labels : bool
        Whether images and labels are read from it.
    writes : str
        What of labels is kept where they are written to it; empty where they cannot be.
    lazy : str
        What of it stays on disk until it is looked at.
    needs : str
        What must be installed for it, as pip names it.
    exports : str
        What `clickseg export` writes to it, as the documentation says it; empty where it does not. Its name there is
        `kind`.
    imports : bool
        Whether `clickseg import` reads objects from it.
    """

    name: str
    kind: str
    suffixes: tuple[str, ...]
    images: bool = True
    labels: bool = True
    writes: str = ""
    lazy: str = ""
    needs: str = ""
    exports: str = ""
    imports: bool = False

    @property
    def suffix(self) -> str:
        """How its files end as a rule; empty for a folder."""
        return self.suffixes[0] if self.suffixes else ""

    @classmethod
    def of_objects(
        cls, name: str, kind: str, suffix: str, exports: str, imports: bool = False, needs: str = ""
    ) -> Self:
        """Return a format of another program that holds objects, and neither images nor labels."""
        return cls(name, kind, (suffix,) if suffix else (), False, False, exports=exports, imports=imports, needs=needs)


CODECS = "napari-clickseg[codecs]"
ZARR = "napari-clickseg[zarr]"
EXPORTS = "napari-clickseg[exports]"

FORMATS = (
    Format(
        "TIFF: OME, ImageJ, plain",
        "tiff",
        (".tif", ".tiff", ".btf", ".tf8", ".tf2"),
        writes="axes, sizes, units",
        lazy="uncompressed; compressed above 256 MB",
        needs=f"{CODECS} for JPEG, LZW, Zstandard .. and packed bits",
    ),
    Format("TIFF of microscopes: LSM, STK", "tiff", (".lsm", ".stk"), lazy="as TIFF"),
    Format(
        "TIFF of slide scanners: SVS, NDPI, SCN, QPTIFF, BIF",
        "tiff",
        (".svs", ".ndpi", ".scn", ".qptiff", ".bif"),
        labels=False,
        lazy="the finest level",
        needs=f"{CODECS}, {ZARR}",
    ),
    Format(
        "OME-Zarr 0.1 to 0.5, zarr arrays; plates and containers by image",
        "zarr",
        (".zarr", ".zarr.zip", ".ozx"),
        writes="axes, sizes, units, place; 0.4, or as the image beside it",
        lazy="all",
        needs=ZARR,
    ),
    Format("PNG", "picture", (".png",), writes="one plane, ids up to 65535"),
    Format(
        "JPEG, BMP, GIF, WebP, JPEG 2000, PGM, PPM",
        "picture",
        (".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2", ".pgm", ".ppm"),
    ),
    Format("numpy array", "npy", (".npy",), writes="ids alone", lazy="all"),
    Format("numpy archive of one array, as of Cell-ACDC", "npz", (".npz",)),
    Format("session of Cellpose", "cellpose", ("_seg.npy",), images=False, exports="ids and outlines"),
    Format("Zeiss CZI", "bioio", (".czi",), labels=False, lazy="all", needs="bioio bioio-czi"),
    Format("Nikon ND2", "bioio", (".nd2",), labels=False, lazy="all", needs="bioio bioio-nd2"),
    Format("Leica LIF", "bioio", (".lif",), labels=False, lazy="all", needs="bioio bioio-lif"),
    Format("DeltaVision", "bioio", (".dv", ".r3d"), labels=False, lazy="all", needs="bioio bioio-dv"),
    Format("SlideBook", "bioio", (".sldy",), labels=False, lazy="all", needs="bioio bioio-sldy"),
    Format(
        "Olympus OIB, OIF, OIR, VSI; Imaris IMS",
        "bioio",
        (".oib", ".oif", ".oir", ".vsi", ".ims"),
        labels=False,
        lazy="all",
        needs="bioio bioio-bioformats",
    ),
    Format.of_objects("ImageJ ROIs", "rois", ".zip", "regions; those with holes or in parts are composite", True),
    Format.of_objects("QuPath GeoJSON", "geojson", ".geojson", "annotations", True),
    Format.of_objects("COCO", "coco", ".json", "masks, run-length encoded", True, EXPORTS),
    Format.of_objects(
        "YOLO polygons", "yolo", ".txt", "polygons; a folder of them of a stack or movie; `classes.txt` beside them"
    ),
    Format.of_objects("GEFF, graph of tracks", "geff", ".geff", "tracks, divisions included", needs=EXPORTS),
    Format.of_objects("pairs to train Cellpose", "cellpose-pairs", "", "a folder of planes and their labels"),
    Format.of_objects("pairs to train StarDist", "stardist-pairs", "", "a folder of planes and their labels"),
)
SUFFIXES = {suffix: form for form in FORMATS if form.images or form.labels for suffix in form.suffixes}
"""Formats of images and labels by how names end."""


def format_of(path: Path) -> Format | None:
    """Return the format that a name belongs to; None where it ends in no suffix of the table.

    >>> format_of(Path("cells.TIF")).kind, format_of(Path("cells_seg.npy")).kind, format_of(Path("cells.docx"))
    ('tiff', 'cellpose', None)
    """
    name = path.name.lower()
    endings = sorted((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len)
    return SUFFIXES[endings[-1]] if endings else None


def may_be_image(path: Path) -> bool:
    """Return whether a file's name is an image's: not hidden, and with a suffix of the table that holds images."""
    form = format_of(path)
    return not path.name.startswith(".") and form is not None and form.images


def suffixes_of_images() -> tuple[str, ...]:
    """Return how the names of images end, for sentences."""
    return tuple(suffix for suffix, form in SUFFIXES.items() if form.images and form.kind != "bioio")


def as_markdown() -> Iterator[str]:
    """Give the lines of the table as the documentation shows it."""
    yield "| format | names end in | images | labels | labels written | stays on disk | needs |"
    yield "|---|---|---|---|---|---|---|"
    for form in dict.fromkeys(SUFFIXES.values()):
        ends = " ".join(f"`{suffix}`" for suffix in form.suffixes)
        cells = (form.name, ends, _yes(form.images), _yes(form.labels), form.writes, form.lazy, form.needs)
        yield "| " + " | ".join(cells) + " |"


def exports_as_markdown() -> Iterator[str]:
    """Give the lines of the table of formats of other programs as the documentation shows it."""
    yield "| `--format` | ends in | format | what is written | read by `import` | needs |"
    yield "|---|---|---|---|---|---|"
    for form in FORMATS:
        if form.exports:
            ends = f"`{form.suffix}`" if form.suffix else "a folder"
            yield f"| `{form.kind}` | {ends} | {form.name} | {form.exports} | {_yes(form.imports)} | {form.needs} |"


def _yes(true: bool) -> str:
    return "yes" if true else ""
