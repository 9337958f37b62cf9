"""What each measure of green is called, what it counts and what it does not, in one line each."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.green.account import IndicatorId, Source
from features.message import Message, say


@dataclass(frozen=True)
class Words:
    """Name of a measure, what it counts, what it does not, and where its formula is from."""

    title: Message
    counts: Message
    leaves_out: Message
    formula: Message


WORDS: dict[IndicatorId, Words] = {
    "hourly_cfe": Words(
        say("Hourly carbon-free score"),
        say("own, contracted and grid energy that is carbon-free in the hour of use, nuclear included"),
        say("surplus of other hours, certificates"),
        say("24/7 method published by Google, 2021"),
    ),
    "own_coverage": Words(
        say("Coverage by own renewables"),
        say("self-built plants and direct lines, directly or through the battery"),
        say("contracts, certificates, the grid's mix"),
        say("1 - bought / load, hour by hour"),
    ),
    "matched_share": Words(
        say("Hourly matched renewables"),
        say("own and contracted renewable energy in the hour of use"),
        say("surplus of other hours, the grid's mix, nuclear, unbundled certificates"),
        say("form of EnergyTag's granular certificates"),
    ),
    "non_green_kwh": Words(
        say("Non-green energy"),
        say("bought energy that is not carbon-free in its hour, with what batteries lose of it"),
        say("any certificate; this is what plans minimise"),
        say("bought x (1 - carbon-free share), hour by hour"),
    ),
    "annual_match": Words(
        say("Annual renewable match"),
        say("production of own plants and contracts, surplus fed in included, whatever its hour"),
        say("unbundled certificates, energy whose certificates were sold, nuclear"),
        say("renewable production / consumption, at most 1"),
    ),
    "ref": Words(
        say("Renewable energy factor (REF)"),
        say("renewable energy used on site, contracts with certificates, certificates retired"),
        say("energy whose certificates were sold, the grid's mix, nuclear, offsets, the hour of use"),
        say("ISO/IEC 30134-3"),
    ),
    "china_green_share": Words(
        say("Green share by Chinese rules"),
        say("own and traded energy with its Chinese certificates, and such certificates retired"),
        say("energy without or with sold certificates, other schemes, nuclear, offsets, the hour of use"),
        say("notices on the consumption weights (发改办能源〔2025〕669号)"),
    ),
    "scope2_location_kg": Words(
        say("Scope 2, location-based"),
        say("everything bought, at the grid's average factor; attributional, not avoided emission"),
        say("contracts and certificates"),
        say("GHG Protocol, Scope 2 guidance"),
    ),
    "scope2_market_kg": Words(
        say("Scope 2, market-based"),
        say("contracts at their own factors, certified energy at zero, the rest at the residual mix"),
        say("offsets, the hour of use; energy whose certificates were sold counts as bought"),
        say("GHG Protocol, Scope 2 guidance"),
    ),
    "cue": Words(
        say("Carbon usage effectiveness (CUE)"),
        say("location-based emissions per kWh of the IT equipment"),
        say("contracts, certificates, offsets; whether the IT equipment did useful work"),
        say("ISO/IEC 30134-8"),
    ),
}

SOURCE_WORDS: dict[Source, Message] = {
    "self-built": say("self-built"),
    "direct-line": say("direct line"),
    "traded": say("traded contract"),
    "certificate": say("certificate"),
    "grid-mix": say("grid mix"),
    "nuclear": say("nuclear"),
    "idle": say("lost and burnt"),
}
