"""A corpus: exact lengths, one name for the same data, no voice in two splits."""

import csv
import shutil
import time

import numpy as np
import pytest

from wellposed.data import audio
from wellposed.data.corpus import Clip, Corpus, CorpusChoice, open_corpus
from wellposed.errors import DataError

ROWS = [
    ("speech/ann/1.wav", "train", "speech", "ann", "", "CC0-1.0", "en", 1_600),
    ("speech/bob/1.wav", "valid", "speech", "bob", "", "CC-BY-SA-4.0", "te", 1_601),
    ("speech/cat/1.wav", "test", "speech", "cat", "", "", "en", 1_602),
    ("wide/ann/1.wav", "train", "speech48", "ann", "", "CC0-1.0", "en", 1_603),
    ("noise/fan/1.wav", "train", "noise", "", "fan", "CC0-1.0", "", 800),
    ("rir/hall.wav", "all", "rir", "", "", "CC0-1.0", "", 400),
]
COLUMNS = ("path", "split", "kind", "speaker", "noise_source", "licence", "language")


def build(root, rows=ROWS, columns=COLUMNS, **more):
    """Write the files and the manifest of `rows`; `more` are further columns, equal for all."""
    for row in rows:
        audio.write(root / row[0], np.full((1, row[-1]), 0.1, np.float32), 16_000)
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*columns, *more])
        keep = [COLUMNS.index(column) for column in columns]
        table.writerows([*(row[at] for at in keep), *more.values()] for row in rows)
    return root


def names(corpus):
    return [clip.path.relative_to(corpus.root).as_posix() for clip in corpus.clips]


def test_a_manifest_opens_by_its_folder_or_itself_with_exact_lengths(tmp_path):
    corpus = open_corpus(build(tmp_path))
    assert corpus == open_corpus(tmp_path / "manifest.csv")
    [clip] = corpus.select("speech", "valid")
    path = tmp_path / "speech/bob/1.wav"
    assert clip == Clip(path, "speech", "bob", "valid", 16_000, 1_601, 1, "CC-BY-SA-4.0")
    assert [clip.group for clip in corpus.select("noise", "train")] == ["fan"]
    assert corpus.select("noise", "test") == ()


def test_rooms_in_all_belong_to_every_split_and_other_kinds_wait_to_be_chosen(tmp_path):
    corpus = open_corpus(build(tmp_path))
    for split in ("train", "valid", "test", "all"):
        assert len(corpus.select("rir", split)) == 1
    assert "wide/ann/1.wav" not in names(corpus)
    both = open_corpus(tmp_path, CorpusChoice(speech_kinds=("speech", "speech48")))
    assert [clip.group for clip in both.select("speech", "train")] == ["ann", "ann"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"languages": ("en",)}, ["noise/fan", "rir", "speech/ann", "speech/cat"]),
        ({"exclude_licences": ("-SA",)}, ["noise/fan", "rir", "speech/ann"]),
        ({"include": ("speech/",)}, ["speech/ann", "speech/bob", "speech/cat"]),
        ({"exclude": ("speech/b", "noise/")}, ["rir", "speech/ann", "speech/cat"]),
        ({"min_seconds": 1_602 / 16_000}, ["rir", "speech/cat"]),
    ],
)
def test_a_choice_keeps_exactly_what_it_says(tmp_path, choice, expected):
    corpus = open_corpus(build(tmp_path), CorpusChoice(**choice))
    assert [name.rpartition("/")[0] for name in names(corpus)] == expected


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ({"speech_kinds": ("speach",)}, "no kind speach; there are noise, rir, speech, speech48"),
        ({"languages": ("xx",)}, "no speech is left of 6 files"),
        ({"include": ("noise",)}, "no speech is left"),
    ],
)
def test_a_choice_that_leaves_nothing_is_an_error_that_says_what_there_is(
    tmp_path, choice, problem
):
    with pytest.raises(DataError, match=problem):
        open_corpus(build(tmp_path), CorpusChoice(**choice))


def test_choosing_by_a_column_that_is_not_there_is_an_error(tmp_path):
    build(tmp_path, columns=COLUMNS[:5])
    for choice in (CorpusChoice(languages=("en",)), CorpusChoice(exclude_licences=("-SA",))):
        with pytest.raises(DataError, match="add the column"):
            open_corpus(tmp_path, choice)


def test_the_digest_is_the_same_under_another_root_and_changes_with_any_fact(tmp_path):
    first = open_corpus(build(tmp_path / "a")).digest
    assert open_corpus(build(tmp_path / "b", ROWS[::-1])).digest == first
    changed = {first}
    for at, value in [(0, "speech/ann/2.wav"), (1, "test"), (3, "dan"), (-1, 1_700)]:
        row = [*ROWS[0]]
        row[at] = value
        shutil.rmtree(tmp_path / "b")
        changed.add(open_corpus(build(tmp_path / "b", [tuple(row), *ROWS[1:]])).digest)
    assert len(changed) == 5


def test_a_speaker_or_noise_source_in_two_splits_is_refused_with_an_example_of_each(tmp_path):
    crossing = ("speech/ann/2.wav", "test", "speech", "ann", "", "CC0-1.0", "en", 1_600)
    with pytest.raises(DataError, match=r"speaker 'ann'.*train .*ann/1.wav.* test .*ann/2.wav"):
        open_corpus(build(tmp_path, [*ROWS, crossing]))
    crossing = ("noise/fan/2.wav", "valid", "noise", "", "fan", "CC0-1.0", "", 1_600)
    with pytest.raises(DataError, match=r"noise source 'fan' is in two splits"):
        open_corpus(build(tmp_path, [*ROWS, crossing]))


def test_no_corpus_can_be_built_that_crosses_or_has_speech_in_all(tmp_path):
    def clip(split):
        return Clip(tmp_path / split, "speech", "ann", split, 16_000, 1, 1)

    with pytest.raises(DataError, match="two splits"):
        Corpus((clip("train"), clip("valid")), tmp_path, "")
    with pytest.raises(DataError, match="only rir may be in all"):
        Corpus((clip("all"),), tmp_path, "")


def test_a_file_that_is_missing_or_other_than_the_manifest_says_is_an_error(tmp_path):
    build(tmp_path, ROWS[:1], duration_s="0.1")
    assert open_corpus(tmp_path).clips[0].frames == 1_600
    build(tmp_path, ROWS[:1], duration_s="0.2")
    with pytest.raises(DataError, match=r"manifest says 0\.20 s at 16000 Hz, the file has 0\.10 s"):
        open_corpus(tmp_path)
    for more in ({}, {"frames": 1_600, "sample_rate": 16_000, "channels": 1}):
        build(tmp_path, ROWS[:1], **more)
        (tmp_path / ROWS[0][0]).unlink()
        with pytest.raises(DataError, match=r"ann/1\.wav"):
            open_corpus(tmp_path)


def test_headers_are_not_read_when_the_manifest_says_everything(tmp_path):
    build(tmp_path, ROWS[:1], frames=5, sample_rate=8_000, channels=2)
    (tmp_path / ROWS[0][0]).write_text("no audio")
    [clip] = open_corpus(tmp_path).clips
    assert (clip.frames, clip.rate, clip.channels) == (5, 8_000, 2)


def test_speech_without_a_speaker_is_an_error_and_noise_without_a_source_stands_alone(tmp_path):
    rows = [("n.wav", "train", "noise", "", "", "", "", 10), *ROWS]
    [noise] = open_corpus(build(tmp_path, rows)).select("noise", "train")[:1]
    assert noise.group == "n.wav"
    with pytest.raises(DataError, match="speech without a speaker"):
        open_corpus(build(tmp_path, [("s.wav", "train", "speech", "", "", "", "", 10)]))


def test_a_plain_folder_is_split_with_every_speaker_whole(tmp_path):
    for speaker in range(12):
        for take in range(2):
            path = tmp_path / f"speech/s{speaker}/{take}.flac"
            audio.write(path, np.full((1, 100), 0.1, np.float32), 16_000)
    corpus = open_corpus(tmp_path)
    sizes = {split: len(corpus.select("speech", split)) for split in ("train", "valid", "test")}
    assert sum(sizes.values()) == 24
    assert min(sizes.values()) >= 2


def test_a_path_that_is_no_corpus_is_an_error(tmp_path):
    audio.write(tmp_path / "x.wav", np.full((1, 100), 0.1, np.float32), 16_000)
    with pytest.raises(DataError, match="single file"):
        open_corpus(tmp_path / "x.wav")
    with pytest.raises(DataError, match="no such folder or manifest"):
        open_corpus(tmp_path / "y")


def test_the_real_corpus_opens_at_once_with_disjoint_splits(shared_data):
    start = time.process_time()
    corpus = open_corpus(shared_data)
    assert time.process_time() - start < 5  # 0.4 s of one core
    for kind in ("speech", "noise"):
        groups = [{clip.group for clip in corpus.select(kind, split)} for split in
                  ("train", "valid", "test")]  # fmt: skip
        assert all(groups)
        assert sum(map(len, groups)) == len(set.union(*groups))
    free = open_corpus(shared_data, CorpusChoice(exclude_licences=("-SA",)))
    assert not any("-SA" in clip.licence for clip in free.clips)
    assert len(free.clips) < len(corpus.clips)
    assert free.digest != corpus.digest
