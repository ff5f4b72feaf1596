"""Calibration: lanes as lines, a camera fitted to points, and what is said of a file that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.camera_view import mast
from citybrain.errors import InputError
from citybrain.randomness import generator
from citybrain_camera.calibration import Lens, View, fit
from citybrain_camera.calibration_file import read_calibration
from citybrain_camera.lanes import Lane
from tests.camera_world import LANES, SIZE, VIEW, points, write_calibration

BEND = Lane("bend", np.array([[0.0, 40.0], [0.0, 10.0], [6.0, 2.0], [20.0, 2.0]]), 3.2)


class TestLane:
    def test_length_is_that_of_the_line(self) -> None:
        assert BEND.length == pytest.approx(30.0 + 10.0 + 14.0)

    def test_distance_counts_from_the_end_and_aside_to_the_left(self) -> None:
        point, course = BEND.at(np.array([0.0, 14.0, 54.0, -3.0]), 1.0)
        assert point == pytest.approx(np.array([[20.0, 3.0], [6.0, 3.0], [1.0, 40.0], [23.0, 3.0]]))
        assert course[0] == pytest.approx([1.0, 0.0])

    @given(st.floats(-5.0, 60.0), st.floats(-1.0, 1.0))
    def test_a_place_is_found_again(self, distance: float, aside: float) -> None:
        point, _ = LANES[0].at(np.array([distance]), aside)
        (found,), (beside,) = LANES[0].locate(point)
        assert found == pytest.approx(distance)
        assert beside == pytest.approx(aside)

    @given(st.floats(0.0, 54.0))
    def test_a_place_on_a_bend_is_found_again(self, distance: float) -> None:
        (found,), (aside,) = BEND.locate(BEND.at(np.array([distance]))[0])
        assert found == pytest.approx(distance, abs=1e-9)
        assert aside == pytest.approx(0.0, abs=1e-9)


class TestFit:
    def test_a_camera_is_found_from_four_points(self) -> None:
        ground, pixel = points()
        found = fit("c", SIZE, Lens(), pixel[:4], ground[:4], LANES)
        assert found.view.position == pytest.approx(VIEW.position, abs=0.01)
        assert found.view.matrix[0, 0] == pytest.approx(310.0, rel=1e-3)
        assert found.error_px < 0.01

    def test_a_street_far_from_the_origin_is_found_as_well(self) -> None:
        ground, pixel = points()
        away = np.array([512_345.0, 4_567_890.0])
        found = fit("c", SIZE, Lens(), pixel, ground + away, LANES)
        assert found.view.position[:2] - away == pytest.approx(VIEW.position[:2], abs=0.01)
        assert found.view.ground(pixel) == pytest.approx(ground + away, abs=0.01)

    def test_the_error_of_the_points_is_told(self) -> None:
        ground, pixel = points()
        found = fit("c", SIZE, Lens(), pixel + generator(1, "points").normal(0.0, 1.0, pixel.shape), ground, LANES)
        assert 0.1 < found.error_px < 3.0
        assert found.worst_px >= found.error_px
        assert f"{found.error_px:.1f} pixels" in found.summary()

    def test_the_bend_of_a_lens_is_undone(self) -> None:
        ground, _ = points()
        bent = View(SIZE, VIEW.matrix, np.array([-0.25, 0.08, 0.0, 0.0, 0.0]), VIEW.rotation, VIEW.translation)
        pixel = bent.project(np.column_stack((ground, np.zeros(len(ground)))))
        lens = Lens(focal=(310.0, 310.0), distortion=(-0.25, 0.08, 0.0, 0.0, 0.0))
        found = fit("c", SIZE, lens, pixel, ground, LANES)
        assert found.error_px < 0.01
        assert found.view.ground(pixel) == pytest.approx(ground, abs=0.01)

    def test_pixels_scatter_more_metres_far_away(self) -> None:
        near, far = VIEW.covariance(np.array([[0.0, 2.0], [0.0, 50.0]]), 1.0)
        assert far[1, 1] > 20 * near[1, 1]

    def test_above_the_horizon_there_is_no_road(self) -> None:
        assert np.isnan(VIEW.ground(np.array([[240.0, 1.0]]))).all()

    def test_points_in_one_line_are_refused(self) -> None:
        ground = np.array([[0.0, y] for y in (1.0, 10.0, 20.0, 30.0)])
        pixel = VIEW.project(np.column_stack((ground, np.zeros(4))))
        with pytest.raises(InputError, match="camera c"):
            fit("c", SIZE, Lens(), pixel, ground, LANES)

    def test_a_point_that_was_mixed_up_is_named(self) -> None:
        ground, pixel = points()
        pixel[5] += (60.0, 0.0)
        with pytest.raises(InputError, match="most at point"):
            fit("c", SIZE, Lens(), pixel, ground, LANES)

    def test_a_mirrored_street_is_refused(self) -> None:
        ground, pixel = points()
        with pytest.raises(InputError):
            fit("c", SIZE, Lens(), pixel, ground * (-1.0, 1.0), LANES)

    @given(st.floats(6.0, 12.0), st.floats(-10.0, 10.0), st.floats(15.0, 30.0))
    def test_any_mast_is_found(self, height: float, aside: float, ahead: float) -> None:
        view = mast((aside, -12.0, height), (0.0, ahead), 400.0, SIZE)
        ground = points()[0]
        pixel = view.project(np.column_stack((ground, np.zeros(len(ground)))))
        found = fit("c", SIZE, Lens(focal=(400.0, 400.0)), pixel, ground, LANES)
        assert found.view.position == pytest.approx(view.position, abs=0.02)


class TestFile:
    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        found = read_calibration(write_calibration(tmp_path / "c.toml"))
        assert found.sensor == "camera_n"
        assert [lane.name for lane in found.lanes] == ["n_0", "n_1"]
        assert found.view.position == pytest.approx(VIEW.position, abs=0.05)

    def test_all_faults_are_told_at_once(self, tmp_path: Path) -> None:
        path = write_calibration(tmp_path / "c.toml")
        text = path.read_text(encoding="utf-8")
        text = text.replace("image = [480, 270]", "image = [480]").replace('lane = "n_0"', 'lane = "m_0"')
        path.write_text(text + '\n[[loops]]\nsensor = 7\nlane = "n_0"\nplace = 3\n', encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_calibration(path)
        for word in ("image", "'m_0'", "sensor", "unknown place", "distance", str(path)):
            assert word in str(caught.value)

    @pytest.mark.parametrize("text", ["", "sensor = ", 'format = "citybrain/camera/1"\nlanes = 3\npoints = [1]\n'])
    def test_a_file_that_is_none_is_refused(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "c.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"c\.toml"):
            read_calibration(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.toml"):
            read_calibration(tmp_path / "none.toml")
