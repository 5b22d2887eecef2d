"""layout.py - compares what examples/python/normalize.py declares with what layout.c prints on
standard input, and both with the fields that normalize.h names, in their order."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "examples" / "python"))
import normalize

structs = {"nrm_pitch": normalize.Pitch, "nrm_desc": normalize.Desc, "nrm_args": normalize.Args}
header = re.sub(r"/\*.*?\*/", " ", (root / "normalize.h").read_text(), flags=re.S)
printed = [line.split() for line in sys.stdin]
wrong = []


def compare(what, of_python, of_c):
    if of_python != of_c:
        wrong.append(f"{what}: {of_python} in Python, {of_c} in C")


for name, struct in structs.items():
    body = re.search(r"typedef struct %s \{(.*?)\}" % name, header, re.S).group(1)
    fields = [field[0] for field in struct._fields_]
    compare(name, fields, re.findall(r"(\w+)\s*[,;]", body))
    compare(name, fields, [line[0].split(".")[1] for line in printed if f"{name}." in line[0]])

for first, *numbers in printed:
    name, _, field = first.partition(".")
    numbers = [int(number) for number in numbers]
    if field and field in dir(structs[name]):
        member = getattr(structs[name], field)
        compare(first, [member.offset, member.size], numbers)
    elif name in structs and not field:
        compare(first, [normalize.ctypes.sizeof(structs[name])], numbers)
    elif not field:
        compare(first, [getattr(normalize, first[len("NRM_"):])], numbers)

print(f"{len(printed)} lines compared")
print("\n".join(wrong))
sys.exit(1 if wrong or not printed else 0)
