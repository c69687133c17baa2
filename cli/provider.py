"""What `fte doctor` says of the language model's provider."""

from __future__ import annotations

from typing import get_args

from cli.deps import make_embedder, make_offline_mind
from core.errors import ConfigurationError
from core.model_use import Node
from core.settings import Settings


async def check_provider(settings: Settings, *, probe: bool) -> str:
    """Truthful and free of charge; with `probe` one call with each API. Raises ConfigurationError."""
    if settings.openai_api_key is None:
        return "no key: the offline mind thinks, and nothing leaves this machine"
    from llm.openai_probe import list_models, try_models  # seconds of imports that the offline mode need not pay

    wanted = {settings.model_use(node).model for node in get_args(Node)}
    offered = await list_models(settings)
    missing = sorted(wanted - set(offered)) if offered is not None else []
    if missing:
        raise ConfigurationError(
            f"The provider has no {', '.join(missing)} for this key; it has {_some(offered or [])}. "
            "Set FTE_MODEL_JUDGE, FTE_MODEL_REPLY or FTE_MODELS"
        )
    where = settings.openai_base_url or "OpenAI"
    listed = "keeps no list of models" if offered is None else f"offers {', '.join(sorted(wanted))}"
    if not probe:
        return f"{where} {listed} ({settings.openai_api}); not called, --probe does"
    calls = await try_models(settings, make_offline_mind(settings, make_embedder(settings)))
    failed = [f"{call.model}: {call.outcome}" for call in calls if call.outcome != "ok"]
    if failed:
        raise ConfigurationError(f"{where} {listed}, but a call failed ({'; '.join(failed)})")
    costs = [call.cost_usd_micros for call in calls]
    known = "at an unknown cost" if None in costs else f"for {sum(c or 0 for c in costs)} micro-dollars"
    return f"{where} {listed} and answered {len(calls)} calls {known}"


def _some(models: list[str]) -> str:
    return ", ".join(models[:8]) + (f" and {len(models) - 8} more" if len(models) > 8 else "") if models else "none"
