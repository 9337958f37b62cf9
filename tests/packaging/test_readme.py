"""Every command of the README does what it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pandas as pd

from advisor.catalogue import load_retrofits
from advisor.portfolio import Portfolio
from advisor.portfolio_terms import Choice
from advisor.site import Site
from models.prediction import OUTPUT_COLUMNS
from training.result import BACKTEST_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_the_two_commands_stand_there_exactly() -> None:
    assert BLOCKS[:2] == ["pip install . && advisor demo\n", "pip install '.[test]' && pytest\n"]


def test_every_block_but_the_test_command_runs(stranger) -> None:
    assert stranger.first.returncode == 0, stranger.first.stdout + stranger.first.stderr
    for block in BLOCKS[2:]:
        done = stranger.bash(block)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    for made in (
        "check/mapping.toml",
        "model/card.json",
        "backtest/backtest.csv",
        "power.csv",
        "advice/report.html",
        "verify/verify.json",
        "verify/verify.csv",
        "plan/plan.html",
        "centre/plan.html",
    ):
        assert (stranger.folder / "out" / made).stat().st_size > 0
    predicted = pd.read_csv(stranger.folder / "out" / "power.csv", keep_default_na=False)
    assert tuple(predicted.columns) == OUTPUT_COLUMNS
    assert predicted["timestamp"].str.endswith("Z").all()
    assert ((predicted["lower"] <= predicted["point"]) & (predicted["point"] <= predicted["upper"])).all()
    errors = pd.read_csv(stranger.folder / "out" / "backtest" / "backtest.csv")
    assert tuple(errors.columns) == BACKTEST_COLUMNS


def test_the_site_file_of_the_readme_is_valid() -> None:
    basic, more, _ = re.findall(r"^```toml\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    assert Site.model_validate(tomllib.loads(basic)).limits.server_inlet_temp_c_max == 27.0
    site = Site.model_validate(tomllib.loads(basic + more))
    assert site.pv is not None
    assert [group.model for group in site.servers] == ["xeon-8280-2s"]
    assert site.retrofits.keys() <= {r.id for r in load_retrofits()}
    assert site.retrofits["aisle-containment"].installed


def test_the_portfolio_file_of_the_readme_is_valid() -> None:
    text = re.findall(r"^```toml\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)[-1]
    portfolio = Portfolio.model_validate(tomllib.loads(text))
    assert [w.name for w in portfolio.work] == ["nightly builds"]
    assert [t.measure for t in portfolio.target] == ["cfe"]
    kinds = get_args(Choice.model_fields["kind"].annotation)
    assert all(kind in text for kind in kinds)
    assert all(o in text for o in get_args(Portfolio.model_fields["objective"].annotation))


def test_files_that_the_readme_names_exist() -> None:
    for name in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / name).is_file(), name
    picture = ROOT / "app" / "report" / "report.png"
    assert 10_000 < picture.stat().st_size < 200_000


def test_every_folder_of_the_readme_exists() -> None:
    (tree,) = re.findall(r"^```\n(features/.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    for line in tree.splitlines():
        assert (ROOT / line.split()[0]).is_dir(), line
