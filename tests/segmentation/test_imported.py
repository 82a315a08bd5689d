"""Segmentations made elsewhere are read, checked against the image, and never executed."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from real_images import BBBC038

from levelfield.labels import objects
from levelfield.segmentation import segment_objects
from levelfield.segmentation.imported import label_file, read_labels

NAME = "0287e7ee5b007c91"


@pytest.fixture(scope="module")
def truth():
    return np.asarray(Image.open(BBBC038 / "labels" / f"{NAME}.png")).astype(np.int32)


@pytest.fixture(scope="module")
def image():
    return np.asarray(Image.open(BBBC038 / "images" / f"{NAME}.png"))[None].astype(np.float32) / 255


def cellpose_file(path, masks, **more):
    content = {"masks": masks, "outlines": masks > 0, "flows": [masks.astype(float)]} | more
    np.save(path, content, allow_pickle=True)
    return path


def test_every_kind_of_file_gives_the_same_labels(tmp_path, truth):
    tifffile.imwrite(tmp_path / "a_cp_masks.tif", truth.astype(np.uint16))
    tifffile.imwrite(tmp_path / "float.tiff", truth.astype(np.float32)[None])
    Image.fromarray(truth.astype(np.uint16)).save(tmp_path / "a.png")
    cellpose_file(tmp_path / "a_seg.npy", truth.astype(np.uint16), filename=Path("a.tif"))
    np.save(tmp_path / "plain.npy", truth)
    for version in (2, 3):
        group = zarr.open_group(str(tmp_path / f"v{version}.zarr"), mode="w", zarr_format=version)
        multiscales = [{"datasets": [{"path": "s0"}]}]
        if version == 2:
            group.attrs["multiscales"] = multiscales
        else:
            group.attrs["ome"] = {"multiscales": multiscales}
        group.create_array("s0", data=truth[None, None])
    files = sorted(tmp_path.iterdir())
    assert len(files) == 7
    for path in files:
        np.testing.assert_array_equal(read_labels(path), truth, err_msg=path.name)


def test_a_pickle_never_runs_anything(tmp_path, truth):
    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    path = cellpose_file(tmp_path / "a_seg.npy", truth, colors=Attack())
    np.testing.assert_array_equal(read_labels(path), truth)
    assert not (tmp_path / "owned").exists()
    bad = np.empty((), object)
    bad[()] = Attack()
    np.save(tmp_path / "bad_seg.npy", bad, allow_pickle=True)
    with pytest.raises(ValueError, match="is not a Cellpose segmentation"):
        read_labels(tmp_path / "bad_seg.npy")
    assert not (tmp_path / "owned").exists()
    np.load(tmp_path / "bad_seg.npy", allow_pickle=True)
    assert (tmp_path / "owned").exists(), "the attack works on who trusts the file"


def test_imported_labels_are_renumbered_and_otherwise_the_same_objects(image, truth):
    shuffled = np.random.default_rng(0).permutation(truth.max() + 1)[truth] * 7
    shuffled[truth == 0] = 0
    result = segment_objects(image, "labels", {}, {"imported": shuffled})
    assert (np.unique(result.labels) == np.arange(result.labels.max() + 1)).all()
    same = objects.renumber(np.where(shuffled > 0, shuffled, 0))
    np.testing.assert_array_equal(result.labels, same)
    assert result.record["SeveralParts"] == 0


def test_labels_of_another_image_are_noticed(image, truth):
    own = segment_objects(image, "labels", {}, {"imported": truth}).record
    other = segment_objects(image, "labels", {}, {"imported": truth[::-1, ::-1]}).record
    assert own["BrighterThanSurroundings"] > 0.95 > 0.8 > other["BrighterThanSurroundings"]


def test_a_mask_instead_of_labels_is_refused_or_split(image, truth):
    mask = (truth > 0).astype(np.uint8) * 255
    with pytest.raises(ValueError, match="split_parts"):
        segment_objects(image, "labels", {}, {"imported": mask})
    result = segment_objects(image, "labels", {"split_parts": True}, {"imported": mask})
    np.testing.assert_array_equal(result.labels, objects.split_parts((truth > 0).astype(np.int32)))


def test_filters_apply_to_imported_labels(image, truth):
    result = segment_objects(image, "labels", {"border": "discard"}, {"imported": truth})
    assert not objects.touches_border(result.labels).any() and result.labels.max() > 5


def test_no_objects_are_fine(image, truth):
    result = segment_objects(image, "labels", {}, {"imported": np.zeros_like(truth)})
    assert result.labels.max() == 0


def test_labels_of_another_size_say_what_is_wrong(image, truth):
    with pytest.raises(ValueError, match="another site, or scaled"):
        segment_objects(image, "labels", {}, {"imported": truth[:100]})
    with pytest.raises(ValueError, match="transposed"):
        segment_objects(image[:, :200], "labels", {}, {"imported": truth[:200].T})


def test_files_that_are_no_labels_say_so(tmp_path, truth):
    Image.fromarray(np.dstack([truth.astype(np.uint8)] * 3)).save(tmp_path / "colour.png")
    tifffile.imwrite(tmp_path / "probability.tif", truth / np.float32(100))
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([truth] * 5))
    (tmp_path / "labels.csv").write_text("1,2")
    zarr.open_group(str(tmp_path / "empty.zarr"), mode="w")
    for name, words in {
        "colour.png": "colour picture",
        "probability.tif": "fractions",
        "stack.tif": "one plane",
        "labels.csv": "export them",
        "empty.zarr": "multiscales",
    }.items():
        with pytest.raises(ValueError, match=words):
            read_labels(tmp_path / name)


def test_label_files_are_found_by_pattern(tmp_path):
    names = {"well": "B03", "site": 2, "image": "B03_s2_DNA"}
    (tmp_path / "B03_s02.png").touch()
    assert label_file(tmp_path, "{well}_s{site:02d}.png", names).name == "B03_s02.png"
    with pytest.raises(FileNotFoundError, match="B03_s2_DNA_cp_masks"):
        label_file(tmp_path, "{image}_cp_masks.tif", names)
    for pattern in ("{wel}.png", "{}.png", "{well:q}.png"):
        with pytest.raises(ValueError, match="well, site, image"):
            label_file(tmp_path, pattern, names)
