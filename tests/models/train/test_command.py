from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from models.train.__main__ import PARTS, main


def test_without_a_part_the_usage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert main(["nothing"]) == 2
    printed = capsys.readouterr().err
    assert all(part in printed for part in PARTS)


def test_a_missing_library_is_one_line_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert main(["encoder"]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "torch" in printed and "[train]" in printed


def test_a_missing_module_of_ours_is_a_fault_and_not_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ModuleType:
        raise ModuleNotFoundError(name="models.train.elsewhere")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ModuleNotFoundError):
        main(["encoder"])
