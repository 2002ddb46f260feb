"""Which directories of a wheel bear a link in their place: what reaches out is found."""

from __future__ import annotations

import time

import pytest

from rpm_venv.confined.reach import Reach

PATHS = (
    "pkg/__init__.py",
    "pkg/deep/er/mod.py",
    "pkg.libs/libx.so",
    "other/a.py",
    "pkg-1.0.dist-info/METADATA",
    "__pycache__/single.cpython-311.pyc",
    "single.py",
)
ELF = b"\x7fELF" + b"\0" * 60


def _bears(top: str, reach: Reach) -> bool:
    return top in reach.bearing()


def test_directories_alone_bear_a_link() -> None:
    assert Reach(PATHS).bearing() == ["other", "pkg", "pkg.libs", "pkg/deep/er"]


@pytest.mark.parametrize(
    "source",
    [
        "import os; HERE = os.path.dirname(__file__)",
        "DATA = Path(__file__).parent.parent / 'other'",  # by names alone: the link is not seen
        "HERE = os.path.dirname(os.path.realpath(__file__))",  # to its own directory, no further
        "DATA = Path(__file__).resolve().parent / 'data'",
        "from .. import x; print(__file__, '...')",
        "ROOT = os.path.realpath(sys.argv[1] + '/..')",  # of no place of its own
        "def resolve(self): return dirname(dirname(__file__))",
        "",
        # Words alone do nothing: comments, texts, names of its own, methods of something else.
        "# realpath(__file__) and up: os.path.dirname(os.path.dirname(x)), ../../..\nX = __file__",
        'def f():\n    """realpath(__file__) + \'/../../..\' """\n    return dirname(__file__)',
        "WORDS = ['realpath', '__file__', 'dirname', '..', 'while']",
        "while True: realpath = client.create(__file__); a = dirname(dirname(realpath))",
        "at = resolver.resolve(__file__)\nwhile at: at = at.parent",
        "__spec__ = cast(S, __spec__)\nNAME = f'{__spec__.parent}.x' + realpath(x)",
        # Each in a function of its own.
        "HERE = __file__\ndef a(p):\n  for _ in p: q = dirname(p)\ndef b(p): return realpath(p)",
        "HERE = __file__\ndef a(part): return part == os.path.pardir or '..' in part.parts",
        # By names, as far as it likes, and only then resolved.
        "ROOT = Path(__file__).parents[3].resolve()",
        "DATA = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..', 'share'))",
        "DATA = os.path.normpath(os.path.join(os.path.dirname(__file__), os.pardir))",
        "URL = f'../../{name}'\nDATA = os.path.join(os.path.dirname(__file__), 'data')",
        # What is compared has the same name on both sides.
        "ROOT = Path(__file__).resolve().parent\nOK = (ROOT / n).resolve().is_relative_to(ROOT)",
    ],
)
def test_a_source_that_stays_inside(source: str) -> None:
    reach = Reach(PATHS)
    reach.source("pkg/__init__.py", source.encode())
    assert _bears("pkg", reach)


@pytest.mark.parametrize(
    "source",
    [
        "ROOT = Path(__file__).resolve().parent.parent",
        "ROOT = Path(__file__).resolve().parents[3]",
        "ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))",
        "DATA = os.path.join(os.path.dirname(__file__), '..', 'other')",
        "DATA = os.path.join(os.path.dirname(__file__), os.pardir)",
        "DATA = os.path.dirname(__file__) + '/../../../../share/app'",
        "DATA = __path__[0] + '/../../share'",
        "HERE = Path(inspect.getfile(f)).resolve()\nROOT = HERE.parent\nTOP = ROOT.parent\n",
        "at = Path(__file__).resolve()\nwhile not (at / 'x').exists(): at = at.parent\n",
        "NAME = Path(__file__).resolve().relative_to(site)",
        "HERE = os.path.realpath(__file__)\nIS_OURS = HERE.startswith(sys.prefix)",
        "ROOT = os.path.realpath(loader.get_filename('pkg') + '/../..')",
        "from os.path import dirname as up, realpath as real\nROOT = up(up(real(__file__)))",
        "REAL = os.path.realpath if POSIX else abspath\nROOT = dirname(dirname(REAL(__file__)))",
        "ROOT = getattr(os.path, 'realpath')(sys.modules[n].__file__) + '/../..'",
        "ROOT, *_ = map(dirname, map(dirname, map(os.path.realpath, [__file__])))",
        "*_, ROOT = Path(__file__).resolve().parents",
        "ROOT = os.path.realpath(__file__).rsplit('/', 3)[0]",
        "ROOT = Path(*Path(__file__).resolve().parts[:-2])",
        "ROOT = (lambda p: p.parent.parent)(Path(__file__).resolve())",
        "UP = '../' * 3\nUP = '../..'\nDATA = os.path.join(os.path.dirname(__file__), UP)",
        "def up(p): return dirname(p)\nROOT = up(up(realpath(__file__)))",
        "def here(): yield realpath(__file__)\nfor at in here():\n  ROOT = dirname(dirname(at))",
        "class A:\n  def __init__(self, at): self.at = at.resolve()\n"
        "  def root(self): return self.at.parent.parent\nROOT = A(Path(__file__)).root()",
        "def a():\n  global AT\n  AT = realpath(__file__)\ndef b():\n  return AT + '/../..'",
        "ALL = []\nALL.append(Path(__file__).resolve())\nROOTS = [x.parent.parent for x in ALL]",
        "if (at := Path(__file__).resolve()):\n  ROOT = at.parent.parent",
        "with at(Path(__file__).resolve()) as real: ROOT = real / '..' / '..'",
        "import importlib.resources as r\nROOT = r.files(__name__).resolve().parent",
        "HERE = os.path.dirname(__file__)\nOK = os.path.realpath(HERE + name).startswith(HERE)",
        "SCRIPT = 'import os; print(os.path.realpath(x.__file__))'",
        "ROOT = Path(__file__).resolve().parent.parent\nprint 'of another Python'",
    ],
)
def test_a_source_that_may_reach_out(source: str) -> None:
    reach = Reach(PATHS)
    reach.source("pkg/__init__.py", source.encode())
    assert reach.bearing() == ["other", "pkg.libs"]


def test_one_source_may_know_the_place_and_another_go_up_from_it() -> None:
    reach = Reach(PATHS)
    reach.source("pkg/__init__.py", b"HERE = __file__")
    reach.source("pkg/deep/er/mod.py", b"HERE = dirname(realpath(HERE))")
    assert reach.bearing() == ["other", "pkg", "pkg.libs", "pkg/deep/er"]
    reach.source("pkg/a.py", b"ROOT = realpath(HERE)\nROOT = dirname(dirname(ROOT))")
    assert reach.bearing() == ["other", "pkg.libs"]
    reach.source("other/a.py", b"at = Path(given).resolve()\nwhile at.name: at = at.parent")
    assert reach.bearing() == ["pkg.libs"]  # what it is given may be its place


def test_going_up_counts_from_where_the_source_is() -> None:
    source = b"ROOT = Path(__file__).resolve().parent.parent.parent"
    reach = Reach(PATHS)
    reach.source("pkg/deep/er/mod.py", source)
    assert _bears("pkg", reach)
    reach.source("pkg/deep/er/mod.py", source + b".parent")
    assert not _bears("pkg", reach)


def test_a_function_is_found_wherever_its_values_go() -> None:
    """Only the parts of a source that have to do with paths are looked at."""
    filler = "".join(f"def f{n}(x):\n    return {{'a': x, 'b': [{n}]}}\n" for n in range(2000))
    source = (
        f"import os\n{filler}def place():\n    return os.path.realpath(__file__)\n{filler}"
        "class A:\n    @property\n    def at(self):\n        return place()\n"
        f"    def root(self):\n        return one(self.at)\n{filler}"
        "def one(path):\n    return os.path.dirname(path)\n"
    )
    reach = Reach(PATHS)
    reach.source("pkg/a.py", source.encode())
    assert _bears("pkg", reach)
    reach.source("pkg/a.py", source.replace("one(self.at)", "one(one(self.at))").encode())
    assert not _bears("pkg", reach)


def test_a_line_of_a_text_is_no_function() -> None:
    text = b'import os\nTEXT = """\ndef f():\nclass X:\n    def g(self):\n@x\n"""\n'
    reach = Reach(PATHS)
    reach.source("pkg/a.py", text + b"HERE = os.path.realpath(__file__)\n")
    assert _bears("pkg", reach)
    reach.source("pkg/a.py", text + b"HERE = os.path.realpath(__file__) + '/../..'\n")
    assert not _bears("pkg", reach)


@pytest.mark.parametrize(
    "source",
    [
        "x = realpath(__file__)" + ".a()" * 15_000,
        "x = " + "-" * 20_000 + "realpath(__file__)",
        "x = " + "f(" * 60 + "realpath(__file__)" + ")" * 60 + "\n" + "x = f(x, x)\n" * 3_000,
        "x0 = realpath(__file__)\n" + "".join(f"x{n} = x{n - 1}\n" for n in range(3_000, 0, -1)),
        "".join(f"def f{n}(a):\n    return f{n + 1}(realpath(__file__))\n" for n in range(900)),
        "x = realpath(__file__).parent\n" + "def f(a): return f(f(a, x), f(x))\n" * 1_500,
        "__file__ = '..'" + " " * 3_000_000 + "\n" + "def f" * 300_000,
        "@x\n" * 100_000 + "realpath(__file__)",
        "\0realpath(__file__)",
    ],
)
def test_a_hostile_source_is_looked_at_for_a_moment(source: str) -> None:
    reach = Reach(PATHS)
    started = time.process_time()
    reach.source("pkg/a.py", source.encode())
    assert time.process_time() - started < 5
    assert "other" in reach.bearing()


def _library(reach: Reach, path: str, data: bytes, size: int = 1 << 18) -> None:
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    reach.begin(path, chunks[0])
    for chunk in chunks:
        reach.chunk(path, chunk)


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 18])
@pytest.mark.parametrize(
    ("searched", "inside"),
    [
        ("$ORIGIN", True),
        ("$ORIGIN/../pkg.libs", True),  # of the same wheel, and so of the same object
        ("${ORIGIN}/../pkg.libs:$ORIGIN:/usr/lib64", True),
        ("$ORIGINAL/../..", True),
        ("/usr/lib64", True),
        ("$ORIGIN/../../nvidia/lib", False),
        ("$ORIGIN:$ORIGIN/../nvidia.libs", False),
        ("${ORIGIN}/../nvidia.libs", False),
        ("$ORIGIN/../../../..", False),
    ],
)
def test_where_a_library_looks_for_others(searched: str, inside: bool, size: int) -> None:
    reach = Reach(PATHS)
    data = ELF + b"\0" * 30 + searched.encode() + b"\0libc.so.6\0"
    _library(reach, "pkg/x.so", data, size)
    assert _bears("pkg", reach) is inside
    assert _bears("other", reach)


def test_what_is_not_understood_counts_as_reaching_out() -> None:
    for path, data in (
        ("pkg/x.so", ELF + b"$ORIGIN/" + b"a" * (1 << 17)),  # a name without an end
        ("pkg/x.so", ELF + b"$ORIGIN/../$ORIGIN\0"),
        ("pkg/x.pyc", b"byte code without its source"),
        ("pkg/x.py", b"a source that is too large to be looked at"),
    ):
        reach = Reach(PATHS)
        _library(reach, path, data, 1 << 12)
        assert not _bears("pkg", reach), path


def test_what_is_no_library_may_say_anything() -> None:
    reach = Reach(PATHS)
    _library(reach, "pkg/readme.txt", b"run patchelf --set-rpath '$ORIGIN/../../x' FILE\0")
    assert _bears("pkg", reach)
