"""The hardware catalogue: what it holds, and how a damaged table is refused."""

from __future__ import annotations

import csv
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from advisor.chip_catalogue import load_hardware
from features.errors import CatalogueError

SHIPPED = Path(str(files("advisor") / "hardware"))
SHARED = Path(__file__).parents[3] / "shared" / "data" / "hardware" / "server_generations_specpower.csv"


def test_published_figures_of_a_few_servers() -> None:
    servers = load_hardware().servers
    shown = {
        name: (servers[name].idle_w, servers[name].full_w, servers[name].capacity_m_ops)
        for name in ("xeon-e5-2699v4-2s", "xeon-8280-2s", "epyc-7742-2s", "epyc-9965-2s", "epyc-8534p-1s")
    }
    assert shown == {
        "xeon-e5-2699v4-2s": (44.8, 253.5, 3.31),
        "xeon-8280-2s": (50.3, 414.0, 5.97),
        "epyc-7742-2s": (92.9, 400.0, 10.73),
        "epyc-9965-2s": (150.5, 844.0, 36.10),
        "epyc-8534p-1s": (54.5, 211.0, 6.56),
    }


def test_a_server_without_public_result_has_no_figures() -> None:
    kunpeng = load_hardware().servers["kunpeng-920-2s"]
    assert not kunpeng.measured
    assert (kunpeng.idle_w, kunpeng.full_w, kunpeng.capacity_m_ops) == (None, None, None)
    assert kunpeng.maker_country == "CN"


def test_every_price_is_dated_and_tagged_as_an_assumption() -> None:
    offers = load_hardware().offers.values()
    assert len(offers) >= 15
    assert {o.tag for o in offers} == {"C"}
    assert {o.currency for o in offers} == {"CNY"}
    assert all(o.as_of.year == 2026 for o in offers)


def test_a_capped_card_keeps_less_throughput_at_a_lower_cap() -> None:
    rows = [c for c in load_hardware().caps if c.accelerator == "h200-sxm-141gb"]
    worst = {c.cap_w: min(r.throughput_kept for r in rows if r.cap_w == c.cap_w) for c in rows}
    assert worst == {350.0: 0.652, 400.0: 0.737, 450.0: 0.758, 500.0: 0.790}


def test_shapes_are_normalised_between_idle_and_full() -> None:
    phi = load_hardware().shapes["xeon-8280"].phi
    assert phi[0] == 0.0
    assert phi[-1] == 1.0
    # (0.482 - 0.121) / (1 - 0.121)
    assert phi[5] == pytest.approx(0.4107, abs=1e-4)


def test_transcribed_servers_agree_with_their_source() -> None:
    if not SHARED.exists():
        pytest.skip("the research tables are not on this machine")
    servers = {(s.name, s.sockets): s for s in load_hardware().servers.values() if s.measured}
    with SHARED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(servers)
    for row in rows:
        server = servers[row["cpu"], int(row["sockets"])]
        assert server.idle_w == pytest.approx(float(row["idle_W_median"]), abs=0.051)
        assert server.full_w == pytest.approx(float(row["P100_W_median"]), abs=0.051)
        assert server.capacity_m_ops == pytest.approx(float(row["S100_est_median"]) / 1e6, abs=0.0051)
        assert (server.n_results, server.memory_gb) == (int(row["n"]), float(row["mem_gb_median"]))


def _damaged(tmp_path: Path, table: str, old: str, new: str) -> Path:
    folder = tmp_path / "hardware"
    shutil.copytree(SHIPPED, folder)
    text = (folder / table).read_text(encoding="utf-8")
    assert text.count(old) >= 1
    (folder / table).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("table", "old", "new", "code", "where"),
    [
        ("servers.csv", "idle_w,full_w", "idle,full_w", "E-HW-COLUMN", "servers.csv"),
        ("servers.csv", ",47.1,272,", ",,272,", "E-HW-VALUE", "servers.csv, row 2, column all columns"),
        ("servers.csv", ",47.1,272,", ",x,272,", "E-HW-VALUE", "servers.csv, row 2, column idle_w"),
        ("servers.csv", ",47.1,272,", ",inf,272,", "E-HW-VALUE", "servers.csv, row 2, column idle_w"),
        ("servers.csv", ",47.1,272,", ",472,272,", "E-HW-VALUE", "servers.csv, row 2, column all columns"),
        ("servers.csv", "xeon-8180-1s", "xeon-8180-2s", "E-HW-ID", "servers.csv, row 5, column id"),
        ("servers.csv", "specpower-ccf,2016", "hearsay,2016", "E-HW-REF", "servers.csv, column source"),
        ("servers.csv", "A,A*,specpower-ccf,2016", "A,A*,specpower-ccf", "E-HW-VALUE", "servers.csv, row 2"),
        ("servers.csv", ",A,A*,", ",Z,A*,", "E-HW-VALUE", "servers.csv, row 2, column power_tag"),
        ("shapes.csv", "0.173,0.234", "0.234,0.173", "E-HW-VALUE", "shapes.csv, row 2, column all columns"),
        ("offers.csv", "epyc-8534p-1s", "kunpeng-920-2s", "E-HW-REF", "offers.csv, column model"),
        ("offers.csv", "50000,60000,80000", "90000,60000,80000", "E-HW-VALUE", "offers.csv, row 2"),
        ("offers.csv", "2026-11-20", "soon", "E-HW-VALUE", "offers.csv, row 2, column as_of"),
        ("assumptions.csv", "load_limit,0.7", "loadlimit,0.7", "E-HW-REF", "assumptions.csv, column name"),
        ("accelerator_caps.csv", "500,700", "700,700", "E-HW-VALUE", "accelerator_caps.csv, row 2"),
    ],
)
def test_a_damaged_table_is_refused(
    tmp_path: Path, table: str, old: str, new: str, code: str, where: str
) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_hardware(_damaged(tmp_path, table, old, new))
    assert caught.value.code == code
    assert where in caught.value.where
    assert caught.value.remedy


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "hardware"
    shutil.copytree(SHIPPED, folder)
    (folder / "offers.csv").unlink()
    with pytest.raises(CatalogueError) as caught:
        load_hardware(folder)
    assert caught.value.code == "E-HW-FILE"
    assert "offers.csv" in caught.value.where


def test_an_unknown_card_names_its_neighbours() -> None:
    with pytest.raises(CatalogueError) as caught:
        load_hardware().accelerator("h200-sxm")
    assert caught.value.code == "E-HW-MODEL"
    assert "h200-sxm-141gb" in caught.value.remedy
