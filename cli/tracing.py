"""Traces stay on this machine unless FTE_TRACING says otherwise."""

from __future__ import annotations

import langsmith

from core.settings import Settings


def keep_traces_home(settings: Settings) -> None:
    """LangGraph and LangChain send every run, customers' words included, to LangSmith wherever LANGSMITH_TRACING is set.

    The variable is often set for other programs on the same machine, so it alone decides nothing here.
    """
    if not settings.tracing:
        langsmith.configure(enabled=False)
