"""What the advisor says of the samples can be shown in Chinese, also after models went to disk and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from advisor.base_station import advise_base_stations
from advisor.catalogue import load_measures
from advisor.plan import Advice, VerifiedPlan
from app import wording
from app.service.standing import standing
from app.web.sentences import translate
from features.message import Joined, Message
from features.telemetry import Telemetry
from models.bundle import load_bundle, save_bundle
from models.data_centre import DataCentreBundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.base_station import BaseStationBundle
    from tests.advisor.conftest import DcCase

NAMES = ("cite", "idle_cite", "source", "name", "title", "group", "error")
"""Placeholders for names of others: sources as they are cited, names that the site's owner gave."""


def said_by(verified: VerifiedPlan) -> Iterator[str]:
    yield from (*verified.plan.conflicts, *verified.notes, *verified.plan.binding.values())
    yield verified.plan.report.method
    for check in verified.checks:
        yield from (check.name, check.note)
    for limit in verified.plan.problem.limits:
        yield limit.source


def said(advice: Advice, telemetry: Telemetry) -> Iterator[str]:
    """Return every sentence that a page shows of an advice."""
    yield wording.headline(advice)
    yield wording.why_not(advice)
    for r in advice.recommendations:
        yield from (
            r.action,
            r.binding_limit,
            *r.reasons,
            *r.evidence,
            r.rollback_trigger,
            r.expiry,
            r.verdict,
        )
    for retrofit in advice.retrofits:
        yield from (*retrofit.reasons, *retrofit.evidence, *retrofit.to_measure)
    for verified in advice.verified:
        yield from said_by(verified)
    for issue in (*advice.issues, *telemetry.issues):
        yield from (issue.evidence, issue.remedy, issue.effect)
    judged = standing(telemetry, None, advice.baseline, load_measures(), date(2026, 11, 20))
    for figure in judged.figures:
        yield from (figure.name, figure.note)
    for _, judgement in judged.judgements:
        yield from (judgement.verdict, judgement.reason)


def unknown(text: object, placeholder: str = "") -> Iterator[str]:
    """Return the English in a text: templates that no catalogue knows, and sentences that are plain text."""
    if isinstance(text, Joined):
        for part in text.parts:
            yield from unknown(part, placeholder)
    elif isinstance(text, Message):
        if translate(text, "zh").language != "zh":
            yield text.template
        for name, value in text.values.items():
            yield from unknown(value, name)
    elif isinstance(text, str) and placeholder not in NAMES:
        sentence = re.search(r"(?:[a-z]+[ ,;]+){3}[a-z]+", text) or not placeholder
        if sentence and text and translate(text, "zh").language != "zh":
            yield text


def english_left(texts: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(found for text in texts for found in unknown(text)))


def test_a_data_centre_is_advised_in_chinese(dc_case: DcCase, dc_july_advice: Advice) -> None:
    left = english_left(said(dc_july_advice, dc_case.telemetry))
    assert not left, "\n".join(left)


def test_a_site_without_identified_levers_is_told_so_in_chinese(
    dc_case: DcCase, dc_bundle_of: Callable[[Telemetry], DataCentreBundle]
) -> None:
    held = dc_case.with_frame(lambda f: f.assign(zone_set_point_c=22.0, chilled_water_set_point_c=9.0))
    advice = replace(dc_case, bundle=dc_bundle_of(held)).advise(telemetry=held, site=None)
    left = english_left(said(advice, held))
    assert not left, "\n".join(left)


def test_a_fleet_is_advised_in_chinese(sleepers: Telemetry, sleepers_bundle: BaseStationBundle) -> None:
    advice = advise_base_stations(sleepers, sleepers_bundle, load_measures())
    left = english_left(said(advice, sleepers))
    assert not left, "\n".join(left)


def test_reasons_can_still_be_translated_after_the_model_store(dc_case: DcCase, tmp_path: Path) -> None:
    save_bundle(dc_case.bundle, tmp_path)
    back = load_bundle(tmp_path)
    assert isinstance(back, DataCentreBundle)
    for site, models in dc_case.bundle.sites.items():
        assert models.what_if is not None
        again = back.sites[site].what_if
        assert again is not None
        assert again.reasons == models.what_if.reasons
        assert all(translate(reason, "zh").language == "zh" for reason in again.reasons)
