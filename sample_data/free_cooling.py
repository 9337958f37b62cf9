"""Set-points that only some sites have: tower approach, airflow, economiser changeover, evaporative mode.

=======================  =============================================================================
lever                    law
=======================  =============================================================================
tower approach           fans turn ``(approach at full speed / approach wanted)^n`` of full speed; a closer
                         approach than that of full speed cannot be had
airflow                  air handlers deliver this share of the rated flow. Less than the servers draw:
                         the hottest inlet takes in hot air, in proportion to what is missing
economiser changeover    below this outdoor temperature the free-cooling loop runs: its pumps cost, and so
                         do tower fans at full speed until it carries all heat
evaporative mode         wet pads bring the intake air of dry coolers towards the wet bulb, at the cost of
                         pad pumps, the pads' pressure on the fans, and water
=======================  =============================================================================

All default parameters are assumptions of plausible size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LeverLaws:
    """Parameters of the laws in the module's table.

    Parameters
    ----------
    approach_exponent : float
        n of the tower's law [1].
    missing_share, missing_width : float
        Share of the air-side rise that the hottest inlet takes in per share of air that is missing [1], and
        width over which the onset is rounded [1].
    loop_pump_kw : float
        Pumps of the free-cooling loop [kW].
    dry_cooler_fan_kw : float
        Fans of dry coolers at full speed, in place of the tower's [kW].
    pad_effectiveness : float
        Of the way from dry to wet bulb that the pads bring the air [1].
    pad_pump_kw, pad_fan_share : float
        Pumps of the pads [kW]; fan power more with wet pads [1].
    pad_air_m3_s : float
        Air through the pads at full fan speed [m3/s].
    """

    approach_exponent: float = 1.0
    missing_share: float = 1.2
    missing_width: float = 0.02
    loop_pump_kw: float = 20.0
    dry_cooler_fan_kw: float = 48.0
    pad_effectiveness: float = 0.75
    pad_pump_kw: float = 3.0
    pad_fan_share: float = 0.12
    pad_air_m3_s: float = 90.0

    def missing_air(self, drawn: FloatArray, delivered: FloatArray) -> FloatArray:
        """Return the share of the air-side rise that missing air brings to the hottest inlet [1].

        Parameters
        ----------
        drawn, delivered : numpy.ndarray
            Flow of the servers and of the air handlers, of the same rating [1].
        """
        width = self.missing_width
        short = width * np.logaddexp(0.0, (drawn / delivered - 1.0) / width)
        return np.asarray(self.missing_share * short, dtype=np.float64)


@dataclass(frozen=True)
class Sink:
    """Where the plant's heat goes, per hour.

    Parameters
    ----------
    air_c : numpy.ndarray
        Temperature that a tower or cooler approaches [degC].
    fan_kw : float
        Fans at full speed [kW].
    fan_factor : float
        Fan power over that law [1].
    pump_kw : float
        Pumps of its own [kW].
    wet : bool
        Whether heat leaves by evaporation in a tower.
    pad_water_m3 : numpy.ndarray or float
        Water of the pads at full fan speed [m3/h].
    """

    air_c: FloatArray
    fan_kw: float
    fan_factor: float = 1.0
    pump_kw: float = 0.0
    wet: bool = True
    pad_water_m3: FloatArray | float = 0.0


def coolers(laws: LeverLaws, weather: pd.DataFrame) -> tuple[Sink, Sink]:
    """Return dry coolers with dry and with wet pads."""
    dry = weather["outdoor_dry_bulb_c"].to_numpy(dtype=np.float64)
    wet = weather["outdoor_wet_bulb_c"].to_numpy(dtype=np.float64)
    cooled = laws.pad_effectiveness * (dry - wet)
    # what cools the air evaporates: rho c_p V dT over the heat of evaporation [kg/s], 3.6 m3/h each
    water = 1.206 * laws.pad_air_m3_s * cooled / 2430.0 * 3.6
    return (
        Sink(dry, laws.dry_cooler_fan_kw, wet=False),
        Sink(
            dry - cooled,
            laws.dry_cooler_fan_kw,
            1.0 + laws.pad_fan_share,
            laws.pad_pump_kw,
            wet=False,
            pad_water_m3=water,
        ),
    )


def optional(set_points: pd.DataFrame, name: str) -> FloatArray | None:
    """Return a set-point that a site may lack."""
    return set_points[name].to_numpy(dtype=np.float64) if name in set_points else None
