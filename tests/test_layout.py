"""The rules of the house: what may import what, and how large a file may grow."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "kernels", "index", "models")
PRODUCTS = ("insights", "search", "shelf", "moderation", "vision")
MAX_LINES = 400
VAGUE_NAMES = {"utils", "util", "common", "helpers", "core", "base", "manager", "misc"}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every absolute module a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_resolves_inside_the_checkout(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


@pytest.mark.parametrize("package", ("kernels", "index", "models"))
def test_the_lower_packages_import_none_of_our_other_packages(package: str) -> None:
    others = set(PACKAGES) - {package} | {"bench", "tests"}
    for path in modules(package):
        wrong = [name for name in imports(path) if name.split(".")[0] in others]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_the_server_imports_neither_tests_nor_benchmarks() -> None:
    for path in modules("server"):
        wrong = [name for name in imports(path) if name.split(".")[0] in {"bench", "tests"}]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_folder_never_imports_another(product: str) -> None:
    others = {f"server.{other}" for other in PRODUCTS if other != product}
    for path in (ROOT / "server" / product).rglob("*.py"):
        wrong = [name for name in imports(path) if ".".join(name.split(".")[:2]) in others]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_the_wiring_imports_product_folders() -> None:
    wiring = {"app.py", "__main__.py", "demo.py"}
    products = {f"server.{product}" for product in PRODUCTS}
    for path in (ROOT / "server").glob("*.py"):
        wrong = [name for name in imports(path) if ".".join(name.split(".")[:2]) in products]
        assert path.name in wiring or not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("folder", (*PACKAGES, "bench", "tests"))
def test_no_file_is_over_the_cap_and_no_name_is_vague(folder: str) -> None:
    for path in modules(folder):
        lines = path.read_text().count("\n")
        assert lines <= MAX_LINES, f"{path.relative_to(ROOT)} has {lines} lines, the cap is {MAX_LINES}"
        assert path.stem not in VAGUE_NAMES, f"{path.relative_to(ROOT)}: say what it holds"


def test_only_the_settings_read_the_environment() -> None:
    for package in PACKAGES:
        for path in modules(package):
            if path.relative_to(ROOT).as_posix() in ("server/settings.py", "server/__main__.py"):
                continue
            wrong = [name for name in imports(path) if name in ("os.environ", "os.getenv")]
            text = path.read_text()
            assert not wrong and "os.environ" not in text and "getenv" not in text, path.relative_to(ROOT)


def test_the_four_products_have_the_same_file_names() -> None:
    for product in PRODUCTS:
        folder = ROOT / "server" / product
        if folder.exists():
            assert {"routes.py", "schema.py"} <= {path.name for path in folder.glob("*.py")}, product


@pytest.mark.parametrize("folder", ("bench", "tests"))
def test_no_script_shadows_a_package(folder: str) -> None:
    assert not {path.stem for path in modules(folder)} & set(PACKAGES)


def test_the_repository_speaks_of_the_product_alone() -> None:
    words = ("/work/", ".library", "/root/", "/tmp/plan")
    code = [path for folder in PACKAGES for path in modules(folder)]
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *code]
    for path in texts:
        found = [word for word in words if word in path.read_text()]
        assert not found, f"{path.relative_to(ROOT)} names {found}"
