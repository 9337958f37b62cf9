"""Demo: two sample sites from export to report, as a user would go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from advisor.plan import Advice
from app.service.advise import advise_exports
from app.service.check import Rows, check
from app.service.facts import describe
from app.service.reading import Exports
from app.service.train import train
from app.wording import headline
from app.writing import make_folder
from features.errors import UsageError
from features.telemetry import Telemetry
from models.bundle import Progress
from models.store import ModelCard
from sample_data.generate import write_samples

SITES = (("data_centre", "Sample data centre"), ("base_stations", "Sample base stations"))
STEPS = 3


@dataclass(frozen=True)
class DemoSite:
    """One sample site's way from export to report."""

    name: str
    telemetry: Telemetry
    rows: Rows
    card: ModelCard
    advice: Advice
    report: Path

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "name": self.name,
            "telemetry": describe(self.telemetry),
            "rows": asdict(self.rows),
            "model_id": self.card.model_id,
            "headline": headline(self.advice),
            "summary": self.advice.summary(),
            "report": str(self.report),
        }


@dataclass(frozen=True)
class DemoOutcome:
    """Both sites, where everything lies, and how long it took [s]."""

    out: Path
    sites: tuple[DemoSite, ...]
    seconds: float
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "out": str(self.out),
            "seconds": round(self.seconds, 1),
            "sites": [site.to_dict() for site in self.sites],
        }


def demo(out: Path, *, seed: int = 7, progress: Progress | None = None) -> DemoOutcome:
    """Make two sample sites, check, train, advise, and write their reports.

    Raises
    ------
    features.errors.UsageError
        The folder holds something else.
    """
    started = time.perf_counter()
    if out.exists() and not out.is_dir():
        raise UsageError("E-OUT", "this is a file, not a folder", str(out), "choose another --out")
    samples = make_folder(out / "samples")
    say = progress or _silent
    say("making two sample sites", 0.0)
    write_samples(samples, seed=seed)
    sites = tuple(
        _one(samples / folder, out / folder, name, seed, _part(say, name, at))
        for at, (folder, name) in enumerate(SITES)
    )
    say("done", 1.0)
    return DemoOutcome(out, sites, time.perf_counter() - started)


def _one(sample: Path, out: Path, name: str, seed: int, say: Callable[[int], Progress]) -> DemoSite:
    exports = Exports((sample,))
    say(0)("reading and checking", 0.0)
    checked = check(exports, out=out / "check")
    trained = train(exports, out=out / "model", seed=seed, progress=say(1))
    advised = advise_exports(
        exports,
        model=out / "model",
        site_file=sample / "site.toml",
        out=out / "advice",
        seed=seed,
        progress=say(2),
    )
    return DemoSite(name, checked.telemetry, checked.rows, trained.card, advised.advice, advised.report)


def _silent(step: str, share: float) -> None:
    del step, share


def _part(say: Progress, name: str, at: int) -> Callable[[int], Progress]:
    """Return, for each step of the `at`-th site, a progress that knows its place in the whole."""

    def step(index: int) -> Progress:
        def report(text: str, share: float) -> None:
            say(f"{name}, {text}", (at + (index + share) / STEPS) / len(SITES))

        return report

    return step
