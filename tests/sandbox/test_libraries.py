"""The full environment has what users of a code interpreter expect, and it works in there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .station import IDENTITIES, Station, station

USES = {
    "numpy": "import numpy; print(numpy.linalg.inv(numpy.eye(2)).sum())",
    "pandas": "import pandas; print(pandas.Series([1, 2]).mean())",
    "matplotlib": "from matplotlib import pyplot; pyplot.hist([1]); pyplot.savefig('/tmp/a.png')",
    "scipy": "from scipy import optimize; print(optimize.brentq(lambda x: x - 1, 0, 3))",
    "scikit-learn": (
        "from sklearn.ensemble import RandomForestClassifier as F\n"
        "print(F(5, n_jobs=2).fit([[0], [1]] * 9, [0, 1] * 9).predict([[1]]))"
    ),
    "statsmodels": "import statsmodels.api as sm; print(sm.OLS([1, 2, 4], [1, 2, 3]).fit().params)",
    "seaborn": "import seaborn; seaborn.barplot(x=['a', 'b'], y=[1, 2])",
    "openpyxl": "import pandas; pandas.DataFrame([1]).to_excel('/mnt/data/a.xlsx'); print(1)",
    "xlrd": "import xlrd; print(xlrd.__version__)",
    "python-docx": "import docx; d = docx.Document(); d.add_paragraph('a'); d.save('/tmp/a.docx')",
    "Pillow": "from PIL import Image; Image.new('RGB', (9, 9)).resize((3, 3)).save('/tmp/b.png')",
    "networkx": "import networkx; print(networkx.pagerank(networkx.path_graph(3)))",
    "sympy": "import sympy; x = sympy.symbols('x'); print(sympy.integrate(x ** 2, x))",
    "lxml": "from lxml import etree; print(etree.fromstring('<a/>').tag)",
    "beautifulsoup4": "import bs4; print(bs4.BeautifulSoup('<p>a', 'lxml').p.text)",
    "tabulate": "import tabulate; print(tabulate.tabulate([[1, 2]]))",
    "multiprocessing": (
        "import multiprocessing as m, math\nwith m.Pool(2) as p: print(p.map(math.sqrt, [1, 4]))"
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor as T\n"
        "with T(4) as t: print(sum(t.map(abs, range(9))))"
    ),
    "subprocess": "import subprocess; print(subprocess.check_output(['ls', '/mnt/data']))",
    "sqlite3": "import sqlite3; print(sqlite3.connect('/tmp/a.db').execute('select 1').fetchall())",
    "zip": "import shutil; open('x', 'w').close(); shutil.make_archive('/tmp/z', 'zip', '.')",
    "tempfile": "import tempfile\nwith tempfile.NamedTemporaryFile() as f: f.write(b'x')",
}


@pytest.fixture(scope="module")
def furnished(full_environment: Path, open_folder: Path) -> Iterator[Station]:
    with station(open_folder / "full", full_environment, IDENTITIES[-1]) as running:
        assert running.report["ok"], running.report
        yield running


@pytest.mark.parametrize("library", USES)
async def test_a_library_does_its_work(furnished: Station, library: str) -> None:
    transcript = await furnished.run(USES[library])
    assert transcript.end.status == "done", transcript
    assert not transcript.of("traceback")
