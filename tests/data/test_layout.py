"""What files are, from a manifest or from folders; how plain folders are split."""

import collections
import string

import pytest

from wellposed.data.layout import Entry, read_manifest, scan_folder, split_by_hash
from wellposed.errors import DataError


def put(root, *names):
    """Empty files: nothing in this module opens them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def manifest(tmp_path, text):
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    return tmp_path / "manifest.csv"


def test_a_manifest_needs_only_four_columns(tmp_path):
    path = manifest(tmp_path, "path,split,kind,speaker\na/b.flac,train,speech,ann\n")
    assert read_manifest(path) == [Entry("a/b.flac", "speech", "train", speaker="ann")]


def test_a_manifest_may_say_more_and_usual_words_for_splits_are_understood(tmp_path):
    path = manifest(
        tmp_path,
        "\ufeffpath,split,kind,speaker,noise_source,licence,language,corpus,sample_rate,channels,"
        "frames,duration_s\nx.wav,dev,noise,,fan,CC0,,K20,16000,2,32000,2.0\n",
    )
    assert read_manifest(path) == [
        Entry("x.wav", "noise", "valid", "", "fan", "CC0", "", "K20", 16_000, 2, 32_000, 2.0)
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("path,kind\nx,speech\n", r"columns split, speaker are missing \(found: path, kind\)"),
        ("", "found: none"),
        ("path,split,kind,speaker\n", "no rows"),
        ("path,split,kind,speaker\nx.wav,trian,speech,a\n", "line 2: split is 'trian'"),
        ("path,split,kind,speaker\nx.wav,all\n", "line 2: a path, a split and a kind"),
        ("path,split,kind,speaker\n/x.wav,train,speech,a\n", "line 2: write the path relative"),
        ("path,split,kind,speaker\n" + "x.wav,train,speech,a\n" * 2, "names x.wav 2 times"),
        (
            "path,split,kind,speaker,sample_rate\ny.wav,test,speech,b,\nx.wav,train,speech,a,16k\n",
            "line 3: sample_rate is '16k'",
        ),
        ("path,split,kind,speaker,duration_s\nx.wav,train,speech,a,1m\n", "duration_s is '1m'"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where_and_why(tmp_path, text, problem):
    with pytest.raises(DataError, match=problem):
        read_manifest(manifest(tmp_path, text))


def test_a_manifest_in_another_encoding_is_an_error(tmp_path):
    (tmp_path / "manifest.csv").write_bytes("path,split,kind,speaker\né,a,b,c".encode("latin-1"))
    with pytest.raises(DataError, match="no CSV in UTF-8"):
        read_manifest(tmp_path / "manifest.csv")


def test_sub_folders_speech_noise_and_rir_give_kinds_and_groups(tmp_path):
    put(
        tmp_path,
        *("speech/ann/1.wav", "speech/ann/chapter/2.FLAC", "speech/bob/1.ogg"),
        *("noise/fan/1.wav", "rir/hall.wav", "rir/hall.txt", ".hidden/x.wav", "speech/._1.wav"),
    )
    entries, notes = scan_folder(tmp_path)
    assert {(e.relative, e.kind, e.speaker, e.source) for e in entries} == {
        ("speech/ann/1.wav", "speech", "ann", ""),
        ("speech/ann/chapter/2.FLAC", "speech", "ann", ""),
        ("speech/bob/1.ogg", "speech", "bob", ""),
        ("noise/fan/1.wav", "noise", "", "fan"),
        ("rir/hall.wav", "rir", "", ""),
    }
    assert notes == ()


def test_without_kind_folders_all_is_speech_and_the_first_folder_is_the_speaker(tmp_path):
    put(tmp_path, "ann/1.wav", "ann/book/2.wav", "bob/1.wav", "alone.wav")
    entries, [note] = scan_folder(tmp_path)
    assert {e.relative: e.speaker for e in entries} == {
        "ann/1.wav": "ann",
        "ann/book/2.wav": "ann",
        "bob/1.wav": "bob",
        "alone.wav": "alone.wav",
    }
    assert "1 files lie in no folder" in note


def test_top_folders_train_valid_test_give_the_splits(tmp_path):
    put(tmp_path, "train/speech/ann/1.wav", "val/speech/bob/1.wav", "test/noise/fan/1.wav")
    entries, _ = scan_folder(tmp_path)
    assert {(e.split, e.kind, e.speaker or e.source) for e in entries} == {
        ("train", "speech", "ann"),
        ("valid", "speech", "bob"),
        ("test", "noise", "fan"),
    }
    put(tmp_path, "extra/x.wav")
    with pytest.raises(DataError, match=r"1 are not, such as extra/x\.wav"):
        scan_folder(tmp_path)


def test_a_folder_without_audio_is_an_error_and_a_link_to_a_parent_ends(tmp_path):
    with pytest.raises(DataError, match=r"no audio files .* and no manifest.csv"):
        scan_folder(tmp_path)
    put(tmp_path, "ann/1.wav")
    (tmp_path / "ann" / "loop").symlink_to(tmp_path)
    assert len(scan_folder(tmp_path)[0]) == 1


def speakers(names):
    return [Entry(f"{name}/{n}.wav", "speech", "", speaker=name) for name in names for n in "12"]


def test_groups_are_split_about_80_10_10_and_stay_whole(tmp_path):
    names = [a + b for a in string.ascii_letters for b in string.ascii_letters]  # 2704
    entries = split_by_hash(speakers(names), tmp_path)
    count = collections.Counter(entry.split for entry in entries)
    # The share of a split has the deviation sqrt(0.1 * 0.9 / 2704) = 0.6 %.
    assert count["valid"] / len(entries) == pytest.approx(0.1, abs=0.02)
    assert count["test"] / len(entries) == pytest.approx(0.1, abs=0.02)
    assert len({(entry.speaker, entry.split) for entry in entries}) == len(names)


def test_a_group_stays_in_its_split_when_others_come(tmp_path):
    names = [f"speaker {n}" for n in range(60)]
    few = {e.speaker: e.split for e in split_by_hash(speakers(names[:40]), tmp_path)}
    many = {e.speaker: e.split for e in split_by_hash(speakers(names), tmp_path)}
    assert few == {name: many[name] for name in names[:40]}


def test_three_groups_fill_all_three_splits_and_two_are_an_error(tmp_path):
    for first in range(50):
        names = [f"s{first + n}" for n in range(3)]
        splits = [e.split for e in split_by_hash(speakers(names), tmp_path)]
        assert sorted(set(splits)) == ["test", "train", "valid"]
    with pytest.raises(
        DataError, match=r"found a, b, wanted at least 3 speakers.*write a manifest.csv"
    ):
        split_by_hash(speakers("ab"), tmp_path)


def test_one_noise_source_cannot_be_split_and_rooms_are_in_all(tmp_path):
    put(tmp_path, "speech/a/1.wav", "speech/b/1.wav", "speech/c/1.wav", "rir/x.wav")
    entries = split_by_hash(scan_folder(tmp_path)[0], tmp_path)
    assert {e.split for e in entries if e.kind == "rir"} == {"all"}
    fan = [Entry("noise/fan/1.wav", "noise", "", source="fan")]
    with pytest.raises(DataError, match="found fan, wanted at least 3 noise sources"):
        split_by_hash([*speakers("abc"), *fan], tmp_path)
