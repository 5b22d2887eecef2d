"""What `python -m normalize_h.fuzz` has to find, and to let pass."""
import re

import pytest
import theirs
from normalize_h import fuzz


def run(capsys, *arguments):
    status = fuzz.main([*map(str, arguments)])
    return status, capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_right_is_right(kind, dtype, capsys):
    status, said = run(capsys, f"theirs:{kind}", "--kind", kind, "--dtype", dtype,
                       "--problems", 250)
    assert status == 0 and "within 1 unit" in said and "not the same bits: nothing" in said, said


def test_backward_is_right(capsys):
    status, said = run(capsys, "--backward", "theirs:layer_backward", "--problems", 250)
    assert status == 0 and "within 1 unit" in said, said


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["theirs:naive", "theirs:without_beta"])
def test_wrong_is_wrong_and_its_program_says_so(name, capsys):
    status, said = run(capsys, name, "--problems", 300)
    assert status == 1 and "above 1 unit of the bound" in said
    code = "\n".join(line[4:] for line in said.splitlines() if line.startswith("    "))
    exec(code, {})
    printed = capsys.readouterr().out
    assert re.match(r"\S+ and should be \S+\n", printed) and len(code.splitlines()) <= 8
    got, wanted = printed.split(" and should be ")
    assert not abs(float(got) - float(wanted)) < 1e-5


@pytest.mark.parametrize("name, status, sentence", [
    ("theirs:naive2", 2, "naive2"), ("nowhere:f", 2, "nowhere"), ("theirs", 2, "module:function"),
    ("theirs:never", 2, "does none of"), ("theirs:of_other_shape", 2, "should return an array"),
    ("theirs:raises", 1, "raises ZeroDivisionError"), ("theirs:writes", 2, "writes to x"),
    ("theirs:only_few", 0, "not done (NotImplementedError)"), ("theirs:no_epsilon", 1, "x alone"),
    ("theirs:depends_on_strides", 0, "with strides")])
def test_what_is_said(name, status, sentence, capsys):
    got, said = run(capsys, name, "--problems", 150, "--limit", 1)
    assert got == status and sentence in said, said


def test_the_same_every_time(capsys):
    runs = [run(capsys, "theirs:naive", "--problems", 60)[1] for _ in range(2)]
    assert re.sub(r"[\d.]+ s,", "", runs[0]) == re.sub(r"[\d.]+ s,", "", runs[1])
    assert theirs.naive
