from __future__ import annotations

import pytest

from advisor.site import read_site
from features.errors import SiteFileError

TEXT = """\
id = "dc-1"
kind = "data-centre"
time_zone = "+08:00"
currency = "CNY"

[current]
zone_set_point_c = 22.0

[levers.zone_set_point_c]
lower = 18.0
upper = 27.0

[limits]
server_inlet_temp_c_max = 27.0

[tariff]
energy_per_kwh = 0.65
source = "contract"
"""


def _read(tmp_path, text: str):
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    return read_site(path)


def test_a_sound_file_is_read_and_nothing_is_defaulted_that_costs_money_or_safety(tmp_path):
    site = _read(tmp_path, TEXT)
    assert site.current == {"zone_set_point_c": 22.0}
    assert (site.levers["zone_set_point_c"].lower, site.levers["zone_set_point_c"].upper) == (18.0, 27.0)
    bare = _read(tmp_path, 'id = "dc-2"\n')
    assert bare.limits.server_inlet_temp_c_max is None
    assert bare.tariff is None
    assert bare.carbon is None
    assert bare.green is None
    assert bare.time_zone is None
    assert bare.current == {}


@pytest.mark.parametrize(
    ("old", "new", "key", "hint"),
    [
        ('id = "dc-1"', 'id = "dc-1"\ncolour = "green"', "colour", "Extra inputs"),
        ("[limits]", "[limits]\nserver_inlet_max = 27.0", "limits.server_inlet_max", "Extra inputs"),
        ('id = "dc-1"', "", "id", "required"),
        ('id = "dc-1"', 'id = ""', "id", "at least 1"),
        ("[current]\nzone_set_point_c", "[current]\nroom_temperature", "current", "not a lever"),
        ("[current]\nzone_set_point_c", "[current]\nit_power_kw", "current", "not a lever"),
        ("[levers.zone_set_point_c]", "[levers.zone_temp]", "levers", "not a lever"),
        ('currency = "CNY"\n', "", "file", "currency"),
        ('source = "contract"\n', "", "tariff.source", "required"),
        ("energy_per_kwh = 0.65", "energy_per_kwh = -0.65", "tariff.energy_per_kwh", "greater than"),
        ('"+08:00"', '"Mars/Olympus"', "time_zone", "neither an IANA zone"),
        ('"+08:00"', '"+8"', "time_zone", "neither an IANA zone"),
        ('"+08:00"', '"unknown"', "time_zone", "neither an IANA zone"),
        ("lower = 18.0", "lower = 28.0", "levers.zone_set_point_c", "above upper"),
        ("lower = 18.0", "lower = nan", "levers.zone_set_point_c.lower", "finite"),
        ("upper = 27.0", "upper = 27.0\nstep = 0.0", "levers.zone_set_point_c.step", "greater than 0"),
        ("[limits]", "[limits]\nsensor_error_k = -1.0", "limits.sensor_error_k", "greater than"),
        ('"data-centre"', '"factory"', "kind", "data-centre"),
        ('kind = "data-centre"', 'country = "China"', "country", "pattern"),
        ("22.0", '"cold"', "current.zone_set_point_c", "number"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, old, new, key, hint):
    assert old in TEXT
    with pytest.raises(SiteFileError) as caught:
        _read(tmp_path, TEXT.replace(old, new, 1))
    assert caught.value.code == "E-SITE-KEY"
    assert caught.value.exit_code == 2
    assert f"{key}:" in caught.value.what
    assert hint in caught.value.what
    assert "site.toml" in caught.value.where


def test_every_wrong_key_is_listed_at_once(tmp_path):
    with pytest.raises(SiteFileError) as caught:
        _read(tmp_path, TEXT.replace('id = "dc-1"', "colour = 1\nshape = 2"))
    assert {"colour", "shape", "id"} <= {part.split(":")[0] for part in caught.value.what.split("; ")}


def test_green_share_and_carbon_need_their_source(tmp_path):
    with pytest.raises(SiteFileError, match=r"carbon\.source"):
        _read(tmp_path, TEXT + "\n[carbon]\nfactor_kg_per_kwh = 0.4419\n")
    with pytest.raises(SiteFileError, match=r"green\.grid_share"):
        _read(tmp_path, TEXT + '\n[green]\ngrid_share = 25.0\nsource = "per cent by mistake"\n')


def test_a_missing_and_an_unreadable_file_are_told_apart(tmp_path):
    with pytest.raises(SiteFileError, match="E-SITE-FILE"):
        read_site(tmp_path / "absent.toml")
    with pytest.raises(SiteFileError, match="E-SITE-TOML"):
        _read(tmp_path, "id = ")
    (tmp_path / "site.toml").write_bytes('id = "数据中心"'.encode("gb18030"))
    with pytest.raises(SiteFileError, match="E-SITE-TOML"):
        read_site(tmp_path / "site.toml")
