"""Tables: delimiters, quotes, the head that is told from the rows, faults, and what is written back."""

import bz2
import gzip
import io
import lzma
import random
import zipfile

import pytest

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data import formats
from elman.data.formats.base import ReadingHints


@pytest.fixture
def write(tmp_path):
    """Writes a table and gives its path."""

    def put(text, name="rows.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return str(path)

    return put


def rows(source, encoding="utf-8"):
    return [dict(record.fields) for record in formats.read(source, encoding, name="table")]


def fault(source):
    with pytest.raises(DataError) as caught:
        formats.read(str(source), name="table")
    return str(caught.value)


def columns(source):
    return list(rows(source)[0])


# Cells


def test_csv_with_a_head(write):
    path = write('text,label\n"a, b",1\n"say ""so""",2\n\n"two\nlines",3\nlast,4\n')
    assert formats.read(path) == [
        Record({"text": "a, b", "label": "1"}, f"{path}:2"),
        Record({"text": 'say "so"', "label": "2"}, f"{path}:3"),
        Record({"text": "two\nlines", "label": "3"}, f"{path}:5"),
        Record({"text": "last", "label": "4"}, f"{path}:7"),
    ]


def test_spaces_around_cells_of_csv_are_dropped(write):
    path = write('EI,   NAME-1,  ACGT  \nEI, "NAME, 2",  ACCT\n')
    assert rows(path) == [
        {"1": "EI", "2": "NAME-1", "3": "ACGT"},
        {"1": "EI", "2": "NAME, 2", "3": "ACCT"},
    ]


@pytest.mark.parametrize("name", ["rows.tsv", "rows.tab"])
def test_tsv_has_no_quotes_and_keeps_its_cells(write, name):
    path = write('text\tlabel\n"so\t1\n it\'s 5" \t2\na,b;c\t3\n', name)
    assert [list(row.values()) for row in rows(path)] == [['"so', "1"], [" it's 5\" ", "2"], ["a,b;c", "3"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_of_csv_is_seen(write, delimiter):
    lines = [["date", "y", "note"], ["2020-01-01", "1", "x"], ["2020-01-02", "2", "y"]]
    path = write("".join(delimiter.join(line) + "\n" for line in lines))
    assert [list(row.values()) for row in rows(path)] == lines[1:]


def test_decimal_commas_between_semicolons(write):
    assert rows(write("t;y\n1,5;2,5\n1,6;2\n")) == [{"t": "1.5", "y": "2.5"}, {"t": "1.6", "y": "2"}]


def test_semicolons_inside_cells_are_text(write):
    assert rows(write("id,tags\n1,a;b;c\n2,a\n")) == [{"id": "1", "tags": "a;b;c"}, {"id": "2", "tags": "a"}]


def test_one_column(write):
    assert rows(write("text\na film\nanother one\n")) == [{"text": "a film"}, {"text": "another one"}]
    assert rows(write("a film\nanother one\n")) == [{"1": "a film"}, {"1": "another one"}]


def test_line_ends_marks_and_encodings(write):
    expected = [{"text": "é", "label": "1"}]
    assert rows(write("\ufefftext,label\r\né,1\r\n")) == expected
    assert rows(write("text,label\né,1", encoding="utf-16"), "utf-16") == expected
    assert rows(write("text,label\né,1", encoding="latin-1"), "latin-1") == expected


def test_characters_that_end_no_line(write):
    text = "a\u2028b\x0cc\x85d"
    assert rows(write(f"text\tlabel\n{text}\t1\n", "rows.tsv")) == [{"text": text, "label": "1"}]
    assert rows(write(f"text,label\n{text},1\n")) == [{"text": text, "label": "1"}]


def test_gzip(tmp_path):
    path = tmp_path / "rows.tsv.gz"
    path.write_bytes(gzip.compress(b'text\tlabel\n"so\t1\n'))
    assert formats.read(str(path))[0].fields == {"text": '"so', "label": "1"}


def test_empty_cells_stay(write):
    path = write("id,v1,v2,v3\nA,1,2,3\nB,1,,\n")
    assert rows(path)[1] == {"id": "B", "v1": "1", "v2": "", "v3": ""}


def test_cell_of_any_length(write):
    long = "1 " * 100_000
    assert rows(write(f"text,label\n{long},a\n"))[0]["text"] == long.strip()


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("EI, a, ACGT\nEI, b, ACCT\nIE, c, TTTT\n", True),
        ("1;2\n3;4\n5;6\n", True),
        ("One line, two parts.\nNo comma here.\nSome, more, of them.\n", False),
        ("a,b\n\nc,d\n\ne,f\n", False),
        ("a,b\nc,d\n", False),
        ("a,b\nc,d\0\ne,f\n", False),
        ("", False),
        ("1,2,3\n" * 20_000 + "cut, off in, the middle of a line", True),
        (("1," * 10_000 + "1\n") * 5, True),
    ],
)
def test_table_of_unheard_suffix(write, text, is_table):
    path = write(text, "some.data")
    assert formats.find(path).name == ("table" if is_table else "text")


# The head


@pytest.mark.parametrize(
    "text",
    [
        "path,digit,speaker\na.wav,0,george\n",
        '"","time","AirPassengers"\n"1",1949,112\n',
        "V1,V2,V3\nH1,605,586\nH2,3124,\n",
        "24h mean,2nd\n1.5,2\n3,4\n",
        "when,who\n2020/01/01,ann\n2020/01/02,bob\n",
        "path,caption\nx.png,hash key\ny.png,keycap\n",
        "utterance,speech act\n" + "could you tell me the way,question\n" * 2,
        "surname,country\n" + "".join(f"Name{chr(97 + i)},{['FI', 'SE', 'NO'][i % 3]}\n" for i in range(12)),
        "text,label\n",
        "english,german\none,eins\ntwo,zwei\nred,rot\n",
        "English words/sentences,French words/sentences\nHi.,Salut!\nRun!,Cours !\n",
        "comment_text,is_spam\nso it is,no\nbuy this,yes\n",
        "questionText,answerText\nWhat?,That.\nWho?,Me.\n",
        "col1|col2\nred car|rot\nblue|blau\n".replace("|", ","),
    ],
)
def test_head_is_seen(write, text):
    if text == "text,label\n":
        assert fault(path := write(text)) == f"{path}: the table has a head and no row; add rows"
    else:
        first = text.split("\n")[0].replace('"', "").split(",")
        assert columns(write(text)) == [name or "1" for name in first]


@pytest.mark.parametrize(
    "text",
    [
        "one long string,0\nanother long string of words,1\n",
        "EI,DONOR-5,ACGT\nEI,DONOR-6,ACGG\nIE,DONOR-7,TTTT\n",
        "a fine film,pos\nanother fine film with words,pos\na bad one,neg\n",
        "good,\nbad,x\n",
        "2016-07-01,5.8\n2016-07-02,5.9\n",
        "2016-07-01T00:00:00Z,a\n2016-07-02T00:00:00Z,b\n",
        "ann,1 234.5\nbob,12%\n",
        "H1,NA,605\nH2,3,7\n",
        "yes,yes\nno,no\n",
        "Smith,English\n" + "".join(f"Name{chr(97 + i)},{['Dutch', 'English'][i % 2]}\n" for i in range(12)),
        "a good film\n",
        "v1,t1\nv2,t2\nv3,t3\n",
        "user_one,item_two\nuser_three,item_four\n",
        "spam,a b,p\nham,c d,q\n",
    ],
)
def test_no_head(write, text):
    width = text.split("\n")[0].count(",") + 1
    assert columns(write(text)) == [str(place + 1) for place in range(width)]


def test_head_with_columns_that_have_no_name(write):
    body = "".join(f"{['spam', 'ham'][i % 2]},text number {i},,\n" for i in range(12))
    assert columns(write("v1,v2,,\n" + body)) == ["v1", "v2", "3", "4"]


def test_one_says_whether_there_is_a_head(write):
    path = write("one,eins\ntwo,zwei\n")
    told = {header: formats.read(path, hints=ReadingHints(header=header)) for header in ("auto", "yes", "no")}
    assert [[*rows[0].fields] for rows in told.values()] == [["1", "2"], ["one", "eins"], ["1", "2"]]
    assert len(told["yes"]) == 1
    path = write("text,label\na,x\n")
    assert [*formats.read(path, hints=ReadingHints(header="no"))[0].fields.values()] == ["text", "label"]


def test_a_name_that_stands_in_the_first_line_makes_it_the_head(write):
    path = write("one,1990\ntwo,2\n")
    assert [*formats.read(path, hints=ReadingHints(names=frozenset(["1990"])))[0].fields] == ["one", "1990"]
    assert [*formats.read(path, hints=ReadingHints(names=frozenset(["x"])))[0].fields] == ["1", "2"]


# Delimiters, quotes, packing


def test_the_line_that_tells_a_spreadsheet_its_delimiter(write):
    path = write('sep=;\ntext;label\n"so; it is";a, b\nc;d\n')
    assert formats.read(path)[0] == Record({"text": "so; it is", "label": "a, b"}, f"{path}:3")
    assert fault(write("SEP=|\nx|y\n1\n")).endswith(":3: expected 2 as in line 2, got 1 cells")


def test_bars_separate(write):
    assert rows(write("text|label\na, b|x\nc|y\n"))[0] == {"text": "a, b", "label": "x"}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('text\ty\n"a ""b""\nc"\t1\nd\t2\n', 'a "b"\nc'),
        ('text\ty\n"a\tb"\t1\nd\t2\n', "a\tb"),
        ('text\ty\n"a ""b"""\t1\nd\t2\n', 'a "b"'),
        ('"text"\t"y"\n"a"\t"1"\n"d"\t"2"\n', "a"),
        ('text\ty\n"a" b\t1\nd\t2\n', '"a" b'),
        ('text\ty\n"a"\t1\nd\t2\n', '"a"'),
    ],
)
def test_cells_between_tabs_may_be_quoted_as_spreadsheets_do(write, text, first):
    assert rows(write(text, "rows.tsv"))[0]["text"] == first


def test_a_quote_between_tabs_that_never_closes(write):
    path = write('text\ty\n"a ""b""\nc"\t1\n"d', "rows.tsv")
    assert fault(path).startswith(f"{path}:4: a quote that opens here and never closes;")


@pytest.mark.parametrize("name", ["rows.csv.bz2", "rows.csv.xz", "rows.CSV.GZ", "rows.csv.zip", "pack.zip"])
def test_packed_files(tmp_path, name):
    pack = {".bz2": bz2.compress, ".xz": lzma.compress, ".gz": gzip.compress}
    path = tmp_path / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner/rows.csv", "text,label\na,x\n")
            archive.writestr("__MACOSX/._rows.csv", b"\0")
    else:
        path.write_bytes(pack[path.suffix.lower()](b"text,label\na,x\n"))
    assert formats.find(str(path)).name == "table"
    assert formats.read(str(path)) == [Record({"text": "a", "label": "x"}, f"{path}:2")]


def test_an_archive_of_several_files_is_the_folder_that_it_holds(tmp_path):
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "text,label\na,x\n")
        archive.writestr("b.csv", "text,label\nb,y\n")
    assert [dict(record.fields) for record in formats.read(str(path))] == [
        {"text": "a", "label": "x"},
        {"text": "b", "label": "y"},
    ]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zip"])
def test_damaged_packed_files_are_told(tmp_path, suffix):
    path = tmp_path / f"rows.csv{suffix}"
    path.write_bytes(b"no such thing")
    assert formats.find(str(path)).name == "table"
    assert "a damaged " in fault(path)
    assert fault(path).endswith("; fetch it again")


def test_text_files_of_numbers_alone_are_tables(write):
    assert formats.find(write("1,2.5\n3,4\n5,6\n", "rates.txt")).name == "table"
    assert formats.find(write("1,2.5\n3,4\nx,6\n", "rates.txt")).name == "text"
    assert formats.find(write("1,2.5\n3,4\n5,6\n", "rates.md")).name == "text"


# Faults


def test_faults(write):
    path = write("id,text,label\n1,a,x\n2,b\n")
    assert fault(path) == f"{path}:3: expected 3 as in line 1, got 2 cells"
    path = write('id,text,label\n1,"a\nb",x\n2,a,b,c\n')
    assert fault(path) == f"{path}:4: expected 3 as in line 1, got 4 cells"
    path = write("a,b,a\n1,2,3\n")
    assert fault(path) == f"{path}:1: two columns named 'a'; give each column a name of its own"
    path = write("\n\n")
    assert fault(path) == f"{path}: the file has no row; name a file with rows"
    path = write("")
    assert fault(path) == f"{path}: the file is empty; name a file that holds text"
    path = write("a,b\n1,\0\n")
    assert fault(path) == (
        f"{path}: a binary file (NUL byte at offset 6); "
        "name a plain-text file; if it is UTF-16, say --encoding utf-16"
    )
    path = write("text,label\né,1\n", encoding="latin-1")
    assert fault(path) == (
        f"{path}:2: not UTF-8: byte 0xE9 at offset 11; name the encoding it has, such as --encoding latin-1"
    )


def test_wrong_quotes(write):
    remedy = 'write a quote inside a quoted cell twice (""), or take the quotes away'
    path = write('text,label\na,1\n"b,2\nc,3\n')
    assert fault(path) == f"{path}:3: a quote that opens here and never closes; {remedy}"
    path = write('text,label\na,1\n"b"c,2\n')
    assert fault(path) == f"{path}:3: a cell that goes on after its closing quote; {remedy}"


def test_folder_is_no_table(tmp_path):
    assert fault(str(tmp_path)) == f"{tmp_path}: expected a file, got a folder; name one of the files in it"


# Writing


def written(source, answers):
    out = io.StringIO()
    records = formats.read(source, name="table")
    formats.FORMATS["table"].write(zip(records, answers, strict=False), out)
    return out.getvalue()


def test_columns_come_back_with_the_answer(write):
    answers = [{"prediction": "x", "p": {"x": 0.5}}, {"prediction": 'a "b", c', "p": None}]
    assert written(write('"",text;s\n1,"a, b"\n2,"c\nd"\n'), answers) == (
        ',text;s,prediction,p\n1,"a, b",x,"{""x"": 0.5}"\n2,"c\nd","a ""b"", c",\n'
    )
    assert written(write("a,0\nb,1\n"), answers) == 'a,0,x,"{""x"": 0.5}"\nb,1,"a ""b"", c",\n'
    assert written(write("t;y\n1,5;2\n2;3\n"), answers).splitlines()[:2] == [
        "t;y;prediction;p",
        '1,5;2;x;"{""x"": 0.5}"',
    ]


def test_tsv_comes_back_without_quotes(write):
    answers = [{"prediction": "a\tb\nc", "n": 1.5}, {"prediction": '"', "n": 2}]
    assert written(write('text\ty\n"so\t1\n it\'s" \t2\n', "rows.tsv"), answers) == (
        'text\ty\tprediction\tn\n"so\t1\ta b c\t1.5\n it\'s" \t2\t"\t2\n'
    )


def test_column_that_has_the_answers_name_gets_the_answer(write):
    path = write("text,prediction,y\na,old,1\n")
    assert written(path, [{"prediction": "new"}]) == "text,prediction,y\na,new,1\n"


def test_records_of_another_make_are_a_table_too():
    out = io.StringIO()
    formats.FORMATS["table"].write([(Record({"text": "a, b"}, "x:1"), {"n": 1})], out)
    assert out.getvalue() == 'text,n\n"a, b",1\n'


def test_round_trip_of_any_cells(tmp_path):
    random.seed(1)
    symbols = ["a", "é", ",", ";", '"', "\n", " b", "1", "\u2028"]
    cells = [
        ["".join(random.choices(symbols, k=random.randint(1, 6))).strip() or "x" for _ in range(3)]
        for _ in range(50)
    ]
    source, again = tmp_path / "a.csv", tmp_path / "b.csv"
    records = [Record(dict(zip(("text", "label", "more"), row, strict=True)), "") for row in cells]
    for path in (source, again):
        with path.open("w", encoding="utf-8", newline="") as out:
            formats.FORMATS["table"].write(((record, {}) for record in records), out)
        records = formats.read(str(path))
        assert [[*record.fields.values()] for record in records] == cells
    assert source.read_bytes() == again.read_bytes()
