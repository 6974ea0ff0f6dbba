import dask.array
import numpy as np
import pytest
import zarr

from napari_clickseg.core.images import Image, guess_axes
from napari_clickseg.core.regions import Region

BLOCK = Region((1, 2), (3, 5))


@pytest.mark.parametrize(
    "dtype", ["?", "u1", "i1", "<u2", ">u2", "i2", "u4", "i4", "u8", "i8", "f2", "<f4", ">f4", "f8"]
)
def test_pixels_of_any_number_type_become_float32(dtype):
    values = np.arange(24).reshape(4, 6).astype(dtype)
    block = Image.of(values).block((), BLOCK)
    assert block.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(block[0], values[1:3, 2:5].astype(np.float32))


def test_nan_becomes_the_median_and_infinities_the_extremes():
    values = np.array([[1.0, 2.0, 3.0], [np.nan, np.inf, -np.inf]])
    np.testing.assert_array_equal(Image.of(values).block((), Region((0, 0), (2, 3)))[0, 1], [2, 3, 1])


def test_what_overflows_float32_is_taken_for_infinite():
    block = Image.of(np.array([[1.0, 1e300], [0.0, -1e300]])).block((), Region((0, 0), (2, 2)))
    np.testing.assert_array_equal(block[0], [[1, 1], [0, 0]])


def test_a_block_without_any_number_is_zero():
    assert not Image.of(np.full((3, 3), np.nan)).block((), Region((0, 0), (3, 3))).any()


@pytest.mark.parametrize("axes", ["YXC", "CYX", "YCX"])
def test_the_channel_axis_may_stand_anywhere(axes):
    sizes = {"Y": 4, "X": 6, "C": 5}
    plain = np.arange(120).reshape(5, 4, 6)
    values = np.moveaxis(plain, 0, axes.index("C"))
    assert values.shape == tuple(sizes[a] for a in axes)
    image = Image.of(values, axes)
    assert image.shape == (4, 6)
    np.testing.assert_array_equal(image.block((), BLOCK), plain[:3, 1:3, 2:5])
    np.testing.assert_array_equal(Image.of(values, axes, channel=4).block((), BLOCK), plain[4:, 1:3, 2:5])


@pytest.mark.parametrize("axes", ["TCZYX", "TZCYX", "CTZYX", "TZYXC"])
def test_frames_of_a_movie_with_channels(axes):
    plain = np.arange(2 * 3 * 2 * 4 * 6).reshape(2, 3, 2, 4, 6)
    order = ["TZCYX".index(a) for a in axes]
    image = Image.of(plain.transpose(order), axes)
    assert image.frames_shape(2) == (2, 3)
    assert image.frame_shape(3) == (3, 4, 6)
    np.testing.assert_array_equal(image.block((1, 2), BLOCK), plain[1, 2, :, 1:3, 2:5])
    np.testing.assert_array_equal(image.block((np.int64(1), np.int64(2)), BLOCK), plain[1, 2, :, 1:3, 2:5])
    volume = image.block((1,), Region((0, 1, 2), (3, 3, 5)))
    np.testing.assert_array_equal(volume, np.moveaxis(plain[1, :, :, 1:3, 2:5], 1, 0))


@pytest.mark.parametrize("lazy", [dask.array.from_array, zarr.array])
def test_lazy_images_are_read_block_by_block(lazy):
    values = np.arange(3 * 4 * 6).reshape(3, 4, 6).astype(np.uint16)
    image = Image.of(lazy(values), "TYX")
    np.testing.assert_array_equal(image.block((2,), BLOCK)[0], values[2, 1:3, 2:5])
    np.testing.assert_array_equal(image.everywhere((2,), 2, 2)[0], values[2, ::2, ::2])


def test_only_the_block_is_read():
    class Watched:
        shape, dtype = (10, 1000, 1000), np.dtype("u1")

        def __getitem__(self, index):
            sizes = [len(range(*i.indices(n))) for i, n in zip(index, self.shape, strict=True) if isinstance(i, slice)]
            assert np.prod(sizes) <= 6
            return np.zeros(sizes, np.uint8)

    assert Image.of(Watched(), "TYX").block((3,), BLOCK).shape == (1, 2, 3)


def test_axes_are_guessed_from_the_shape():
    assert guess_axes((4, 4)) == "YX"
    assert guess_axes((3, 64, 64)) == "ZYX"
    assert guess_axes((2, 3, 64, 64, 4)) == "TZYXC"
    for shape in [(5,), (2, 2, 2, 2, 2)]:
        with pytest.raises(ValueError, match="name them"):
            guess_axes(shape)


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((4, 4), {"axes": "YXC"}, "each of the 2 axes"),
        ((4, 4), {"axes": "YY"}, "each of the 2 axes"),
        ((0, 4), {}, "empty"),
        ((4, 4), {"axes": "YC"}, "fewer than two"),
        ((4, 4), {"spacing": (1,)}, "one number for each"),
        ((4, 4), {"spacing": (1, 0)}, "positive"),
        ((4, 4), {"spacing": (1, np.nan)}, "positive"),
        ((4, 4), {"channel": 1}, "no channel 1"),
        ((4, 4, 3), {"channel": 3}, "no channel 3: this image has 3"),
    ],
)
def test_what_does_not_fit_is_refused(shape, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Image.of(np.zeros(shape), **options)


@pytest.mark.parametrize("dtype", [complex, "U3", object])
def test_pixels_that_are_not_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match="Pixels must be"):
        Image.of(np.zeros((4, 4), dtype))


def test_an_image_may_be_named_anew():
    image = Image.of(np.zeros((3, 5, 5)), spacing=np.array([2.0, 1, 1]))
    assert image.spacing == (2.0, 1.0, 1.0)
    again = Image.of(image, "tyx")
    assert (again.axes, again.spacing) == ("TYX", (2.0, 1.0, 1.0))
    assert Image.of(again, spacing=(1, 1, 1)).spacing == (1, 1, 1)


def test_a_checksum_shows_what_was_changed_in_place_on_this_frame_and_region_and_nothing_else(tmp_path):
    on_disk = zarr.create_array(tmp_path / "i.zarr", shape=(2, 40, 50), dtype="u2")
    for array in (np.zeros(on_disk.shape, np.uint16), on_disk):
        image, region = Image.of(array, "TYX"), Region((-5, 10), (20, 90))
        before = image.checksum((1,), region)
        array[0, :20, 10:] = 1
        array[1, 20:], array[1, :, :10] = 1, 1
        assert image.checksum((1,), region) == before
        array[1, 19, 49] = 1
        assert image.checksum((1,), region) != before
    assert Image.of(dask.array.zeros((4, 4))).checksum((), Region((0, 0), (4, 4))) is None


def test_levels_follow_pixels_that_come_later():
    pixels = np.zeros((64, 64), np.float64)
    image = Image.of(pixels)
    assert image.levels is None
    pixels[:] = 1e9 + np.arange(64)
    seen = image.intensities((), Region((0, 0), (64, 64)))[0]
    assert len(np.unique(seen)) == 64


def test_an_image_keeps_its_shape_though_its_array_grows(tmp_path):
    array = zarr.create_array(tmp_path / "grows.zarr", shape=(2, 8, 9), chunks=(1, 8, 9), dtype="u2")
    image = Image.of(array, "TYX")
    array.resize((5, 8, 9))
    assert image.shape == (2, 8, 9)
    assert image.frames_shape(2) == (2,)
