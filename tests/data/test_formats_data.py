"""The readers on public data, where that lies beside the checkout."""

from pathlib import Path

import pytest

from elman.data import formats

DATA = Path(__file__).parents[3] / "shared/data"
CLASSIFIED = ("table", "series", "arrays", "idx", "classes", "text")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the data are not there")


@pytest.mark.parametrize(
    ("path", "form", "count", "columns"),
    [
        ("sst2/train.tsv", "table", 6920, ["1", "2"]),
        ("sst2/dev.tsv", "table", 872, ["1", "2"]),
        ("sst2/test.tsv", "table", 1821, ["1", "2"]),
        ("fsdd/train.tsv", "table", 2700, ["path", "digit", "speaker"]),
        ("emoji/valid.tsv", "table", 173, ["path", "caption", "category"]),
        ("an4/test.tsv", "table", 130, ["path", "text"]),
        ("dna_splice/splice.data", "table", 3190, ["1", "2", "3"]),
        ("ett/ETTh1.csv", "table", 17420, ["date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]),
        ("m4/Hourly-train.csv", "table", 414, [f"V{place}" for place in range(1, 962)]),
        ("ts_small/AirPassengers.csv", "table", 144, ["1", "time", "AirPassengers"]),
        ("ts_small/sunspots.csv", "table", 309, ["YEAR", "SUNACTIVITY"]),
        ("ucr_uea/GunPoint/GunPoint_TEST.ts", "series", 150, ["series", "label"]),
        ("ucr_uea/JapaneseVowels/JapaneseVowels_TEST.ts", "series", 370, ["series", "label"]),
        ("mnist/t10k-images-idx3-ubyte.gz", "idx", 10_000, ["picture", "label"]),
        ("names", "classes", 20_050, ["text", "label"]),
        ("cmudict/cmudict.txt", "text", 1, ["text"]),
    ],
)
def test_public_data(path, form, count, columns):
    source = str(DATA / path)
    assert formats.find(source, CLASSIFIED).name == form
    records = formats.read(source, among=CLASSIFIED)
    assert len(records) == count
    assert all(list(record.fields) == columns for record in records)


def test_cells_of_public_tables():
    (first, *_) = formats.read(str(DATA / "dna_splice/splice.data"))
    assert (first.fields["1"], first.fields["2"], len(first.fields["3"])) == ("EI", "ATRINS-DONOR-521", 60)
    assert {record.fields["2"] for record in formats.read(str(DATA / "sst2/train.tsv"))} == {"0", "1"}
    (series, *_) = formats.read(str(DATA / "m4/Hourly-train.csv"))
    assert (series.fields["V1"], series.fields["V2"], series.fields["V961"]) == ("H1", "605", "")


def test_shapes_of_public_series():
    vowels = formats.read(str(DATA / "ucr_uea/JapaneseVowels/JapaneseVowels_TEST.ts"))
    assert {record.fields["series"].shape[1] for record in vowels} == {12}
    lengths = [len(record.fields["series"]) for record in vowels]
    assert (min(lengths), max(lengths)) == (7, 29)
