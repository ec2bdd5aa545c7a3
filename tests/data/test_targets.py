"""Which file becomes which, and what is refused alone."""

from pathlib import Path

import pytest

from wellposed.data.targets import plan
from wellposed.errors import DataError


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a.wav", "deep/b.flac", "deep/notes.txt", ".hidden/c.wav", "a-enhanced.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_a_file_goes_to_the_file_or_into_the_folder_that_is_named(folder, tmp_path):
    source = folder / "a.wav"
    for output, target in [
        (tmp_path / "x.flac", tmp_path / "x.flac"),
        (tmp_path / "out", tmp_path / "out" / "a.wav"),
        (None, folder / "a-enhanced.wav"),
    ]:
        assert plan([source], output, overwrite=True).jobs == [(source, target)]


def test_a_folder_keeps_its_tree_and_leaves_out_what_is_hidden_or_no_audio(folder, tmp_path):
    out = tmp_path / "out"
    made = plan([folder], out, overwrite=False)
    names = ["a-enhanced.wav", "a.wav", "deep/b.flac"]
    assert made.jobs == [(folder / name, out / name) for name in names]
    assert made.refused == []


def test_a_second_run_does_not_enhance_the_output_of_the_first(folder):
    made = plan([folder], None, overwrite=True)
    assert [source.name for source, _ in made.jobs] == ["a.wav", "b.flac"]
    inside = folder / "out"
    inside.mkdir()
    (inside / "a.wav").touch()
    made = plan([folder], inside, overwrite=True)
    assert all(not source.is_relative_to(inside) for source, _ in made.jobs)


def test_an_input_is_never_a_target(folder, tmp_path):
    source = folder / "a.wav"
    (tmp_path / "link.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(source)
    for inputs, output in [
        ([source], source),
        ([source], folder),
        ([folder], folder),
        ([source], tmp_path / "link.wav"),
        ([source], tmp_path / "hard.wav"),
        ([source], folder / "deep" / ".." / "a.wav"),
    ]:
        made = plan(inputs, output, overwrite=True)
        assert made.jobs == []
        assert all("never overwritten" in problem for problem in made.refused)
        assert made.refused


def test_an_existing_target_needs_permission(folder):
    made = plan([folder / "a.wav"], None, overwrite=False)
    assert made.jobs == []
    assert "--overwrite" in made.refused[0]
    assert len(plan([folder / "a.wav"], None, overwrite=True).jobs) == 1


def test_two_sources_of_one_name_are_not_written_over_each_other(folder, tmp_path):
    other = tmp_path / "other" / "a.wav"
    other.parent.mkdir()
    other.touch()
    made = plan([folder / "a.wav", other], tmp_path / "out", overwrite=True)
    assert made.jobs == [(folder / "a.wav", tmp_path / "out" / "a.wav")]
    assert str(folder / "a.wav") in made.refused[0]


def test_missing_inputs_and_empty_folders_are_refused_and_the_rest_stays(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    made = plan(
        [tmp_path / "no.wav", tmp_path / "empty", folder / "a.wav"],
        tmp_path / "out",
        overwrite=False,
    )
    assert len(made.jobs) == 1
    assert "no such file" in made.refused[0]
    assert "no audio in this folder" in made.refused[1]


def test_several_files_cannot_go_to_one(folder, tmp_path):
    with pytest.raises(DataError, match="one file"):
        plan([folder], tmp_path / "x.wav", overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="not a file of a known suffix"):
        plan([folder], tmp_path / "file", overwrite=True)
