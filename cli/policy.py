"""`fte policy`: what the guard makes of a text, and its lessons learned anew."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from cli.deps import make_embedder, make_offline_mind, shipped_fits
from cli.output import echo_json
from core.models import Label
from core.policy import Policy
from core.profile import load_intents
from core.settings import Settings, load_settings
from core.vocabulary import CHANNELS, STAGES, Channel, Stage
from evals.guardrail import By, broken_rules
from llm.fitted import FittedPolicies
from nodes.guardrail import JUDGED, ordinary_examples

app = typer.Typer(no_args_is_help=True)


@app.command()
def check(
    text: Annotated[str, typer.Argument(help="A customer's message, or with `--stage draft` a reply.")],
    stage: Annotated[str, typer.Option(help=f"One of {', '.join(STAGES)}.")] = "inbound",
    channel: Annotated[str, typer.Option(help=f"One of {', '.join(CHANNELS)}.")] = "email",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Which rules fire, and by what: a pattern, the meaning, the tone. Offline, whatever is configured."""
    if stage not in STAGES:
        raise typer.BadParameter(f"choose a stage from {', '.join(STAGES)}")
    if channel not in CHANNELS:
        raise typer.BadParameter(f"choose a channel from {', '.join(CHANNELS)}")
    fired = asyncio.run(_fired(load_settings(), text, stage, channel))
    if as_json:
        return echo_json(fired)
    for rule_id, by in fired.items():
        typer.echo(f"{rule_id:24} by {by}")
    if not fired:
        typer.echo("No rule fires.")


@app.command()
def fit(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """Learn the lessons of the policy and keep the result in the dossier, so that no start has to."""
    files = asyncio.run(_fit(load_settings()))
    if as_json:
        return echo_json(files)
    for one in files:
        typer.echo(f"{one['file']}: {one['lessons']} lessons of {len(one['rules'])} rules")


async def _fired(settings: Settings, text: str, stage: Stage, channel: Channel) -> dict[str, By]:
    mind, (policy, intents) = make_offline_mind(settings, make_embedder(settings)), _read(settings)
    return await broken_rules(mind, policy, intents, text, stage=stage, channel=channel)


async def _fit(settings: Settings) -> list[dict[str, Any]]:
    policies = FittedPolicies(folder := shipped_fits(settings), folder)
    mind, (policy, intents) = make_offline_mind(settings, make_embedder(settings), policies=policies), _read(settings)
    fits = [
        await mind.likeness(policy.by_meaning(stage), ordinary_examples(stage, policy, intents)) for stage in JUDGED
    ]
    kept = policies.keep_only([fit for fit in fits if fit])
    return [{"file": str(path), "rules": list(fit.rules), "lessons": len(fit.texts)} for path, fit in kept.items()]


def _read(settings: Settings) -> tuple[Policy, tuple[Label, ...]]:
    dossier = settings.dossier_dir
    return Policy.load(dossier / "policy.yaml", dossier / "profile.yaml"), load_intents(dossier / "intents.yaml")
