"""Layouts as people and microscopes keep them."""

import zipfile

import pytest

from levelfield.config.layouts import read_layout
from levelfield.config.sheets import SheetError, read_columns

LONG = [
    ("Well", "Control Type", "Compound", "Concentration"),
    ("A1", "DMSO", "DMSO", "0"),
    ("b02", "poscon", "Nocodazole", "0.5"),
]


def kinds(path, schemas, n_wells=96):
    table = read_layout(path, n_wells, schemas["layout"])
    return table[["Metadata_Well", "Metadata_ControlType", "Metadata_Perturbation"]].to_numpy()


EXPECTED = [["A01", "negcon", "DMSO"], ["B02", "poscon", "Nocodazole"]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_encodings_and_names_of_columns(tmp_path, schemas, encoding, separator):
    path = tmp_path / "layout.csv"
    text = "\n".join(separator.join(row) for row in LONG)
    path.write_text(text.replace("Nocodazole", "Nocodazölé"), encoding=encoding)
    found = kinds(path, schemas)
    assert found[1][2] == "Nocodazölé"
    assert [list(row[:2]) for row in found] == [row[:2] for row in EXPECTED]


def test_decimal_commas_come_with_semicolons(tmp_path, schemas):
    path = tmp_path / "layout.csv"
    path.write_text("well;control_type;concentration\nA01;trt;0,25\n")
    assert list(read_layout(path, 96, schemas["layout"])["Metadata_Concentration"]) == ["0.25"]


def write_xlsx(path, rows):
    """Write a workbook as Excel does, with shared strings, numbers and an empty cell left out."""
    texts = sorted({cell for row in rows for cell in row if isinstance(cell, str) and cell})
    cells = ""
    for at, row in enumerate(rows, start=1):
        cells += f'<row r="{at}">'
        for letter, cell in zip("ABCDEFGH", row, strict=False):
            if cell == "":
                continue
            if isinstance(cell, str):
                cells += f'<c r="{letter}{at}" t="s"><v>{texts.index(cell)}</v></c>'
            else:
                cells += f'<c r="{letter}{at}"><v>{cell}</v></c>'
        cells += "</row>"
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{shared}</sst>")
        sheet = f"<worksheet {space}><sheetData>{cells}</sheetData></worksheet>"
        book.writestr("xl/worksheets/sheet1.xml", sheet)


def test_a_workbook(tmp_path, schemas):
    path = tmp_path / "layout.xlsx"
    write_xlsx(path, [LONG[0], ("A1", "DMSO", "DMSO", 0), ("b02", "poscon", "Nocodazole", 0.5)])
    assert kinds(path, schemas).tolist() == EXPECTED
    table = read_layout(path, 96, schemas["layout"])
    assert list(table["Metadata_Concentration"]) == ["0", "0.5"]


def test_an_old_workbook_is_answered_in_words(tmp_path):
    (tmp_path / "layout.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(SheetError, match=r"save it as \.xlsx or \.csv"):
        read_columns(tmp_path / "layout.xls")


def test_blocks_shaped_like_the_plate(tmp_path, schemas):
    path = tmp_path / "layout.csv"
    path.write_text(
        "control_type,1,2,3\nA,negcon,,\nB,,poscon,\n\nCompound,,,\n,1,2,3\nA,DMSO,,\nB,,Nocodazole,\n"
    )
    assert kinds(path, schemas).tolist() == EXPECTED


def test_a_block_without_a_name_is_refused(tmp_path, schemas):
    path = tmp_path / "layout.csv"
    path.write_text(",1,2\nA,negcon,poscon\n")
    with pytest.raises(SheetError, match="a block has no name"):
        read_layout(path, 96, schemas["layout"])


def test_the_assay_layout_of_harmony(tmp_path, schemas):
    layers = ""
    for name, values in (
        ("Control Type", {(1, 1): "negcon", (2, 2): "poscon", (3, 3): ""}),
        ("Compound", {(1, 1): "DMSO", (2, 2): "Nocodazole"}),
    ):
        wells = "".join(
            f"<Well><Row>{row}</Row><Col>{column}</Col><Value>{value}</Value></Well>"
            for (row, column), value in values.items()
        )
        layers += f"<Layer><Name>{name}</Name><ValueType>string</ValueType>{wells}</Layer>"
    path = tmp_path / "Unnamed.xml"
    path.write_text(f'<AssayLayout xmlns="http://x/PEHH/HarmonyV5">{layers}</AssayLayout>')
    assert kinds(path, schemas, 384).tolist() == EXPECTED


def test_a_platemap_of_jump(tmp_path, schemas):
    path = tmp_path / "JUMP-Target-1_compound_platemap.txt"
    path.write_text(
        "well_position\tbroad_sample\tsolvent\tcontrol_type\n"
        "A01\t\tDMSO\tnegcon\nB02\tBRD-1\tDMSO\tposcon_diverse\nC03\tBRD-2\tDMSO\t\n"
    )
    assert kinds(path, schemas, 384).tolist() == [
        ["A01", "negcon", "negcon"],
        ["B02", "poscon", "BRD-1"],
        ["C03", "trt", "BRD-2"],
    ]
    assert list(read_layout(path, 384, schemas["layout"])["Metadata_solvent"]) == ["DMSO"] * 3
