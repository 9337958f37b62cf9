"""What ``advisor score`` says in the terminal."""

from __future__ import annotations

import pandas as pd

from app.service.score import ScoreOutcome

SHOWN = 10


def score(outcome: ScoreOutcome) -> str:
    """Return the outcome of a nightly batch in words."""
    about, sites = outcome.run.stored.about, outcome.sites
    bad = outcome.quarantined
    if outcome.run.unchanged:
        how = "unchanged: the store already holds the run of these very sites, models and date"
    else:
        left = outcome.run.resumed
        resumed = f", {left} of them left by a run that was interrupted" if left else ""
        how = f"{outcome.run.chunks} chunks{resumed}, {outcome.seconds:.1f} s"
    lines = [
        f"Run {about['run_id']} as of {about['as_of']}: {len(sites) - len(bad)} of {len(sites)} sites scored "
        f"({how}).",
        f"tier:      {_counts(sites['tier'])}",
        f"plans:     {_counts(sites['plan'])}",
        f"anomalies: {int(sites['anomalies'].sum())} values outside their interval today, "
        f"{sites['anomalies_expected'].sum():.0f} expected by chance",
        f"drift:     {int(sites['drift'].fillna(False).astype(bool).sum())} sites",
    ]
    saving = sites[sites["saving_kwh"] > 0].head(SHOWN)
    if len(saving):
        lines += ["", "Largest verified savings of tomorrow:"]
        lines += [
            f"  {row['rank']:>4.0f}  {row['site_id']}  {row['saving_kwh']:,.1f} kWh "
            f"({row['saving_lower_kwh']:,.1f} to {row['saving_upper_kwh']:,.1f})"
            for row in saving.to_dict("records")
        ]
    if len(bad):
        lines += ["", f"Quarantined ({len(bad)}):"]
        lines += [f"  {row.site_id}: {row.code}: {row.reason}" for row in bad.head(SHOWN).itertuples()]
        if len(bad) > SHOWN:
            lines.append(f"  and {len(bad) - SHOWN} more: see the table of sites, or --json")
    return "\n".join([*lines, "", f"written to {outcome.store}"])


def _counts(column: pd.Series) -> str:
    return ", ".join(f"{n} {name}" for name, n in column.value_counts().items()) or "none"
