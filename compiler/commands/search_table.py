"""How ``snnc compile --max-drop`` shows what it tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..wording import counted
from .console import Console


def print_search(found: Mapping[str, Any] | None, console: Console) -> None:
    """Write the record of a search, if there was one; see ``compiler.search.record``."""
    if found is None:
        return
    tried, held_back = found["tried"], found["held_back"]
    sure = f"{found['confidence']:.0%}"
    console.lines(
        f"search       {counted(len(tried), 'setting')} tried from the cheapest upwards, until one "
        f"was sure ({sure}) to lose at most {100 * found['max_drop']:g} %",
        f"judged by    {found['judged_by']}, on {held_back} samples that no network was calibrated "
        "on",
        f"cost         {found['cost']}",
        "",
    )
    console.table(
        (
            *("tried", ">predicted drop", f">at most ({sure})"),
            *(">counted drop (95 %, Newcombe)", ">energy, nJ", ">spikes", ""),
        ),
        [_row(trial, held_back) for trial in tried],
    )
    console.lines(
        *(f"refused      {_name(entry)}: {entry['reason']}" for entry in found["refused"]), ""
    )


def _row(trial: Mapping[str, Any], samples: int) -> tuple[str, ...]:
    drop, cost = trial["drop"], trial["cost"]
    low, high = drop["interval"]
    return (
        _name(trial),
        f"{drop['predicted']:+.2%}",
        f"{drop['limit']:+.2%}",
        f"{drop['lost']} - {drop['gained']} of {samples} ({low:+.1%} to {high:+.1%})",
        f"{1e9 * cost['energy_joules']:,.1f}",
        f"{cost['spikes']:,.0f}",
        "chosen" if trial["met"] else "",
    )


def _name(entry: Mapping[str, Any]) -> str:
    cap = f", K = {entry['max_payload']}" if entry["max_payload"] else ""
    return f"{entry['code']}{cap}, T = {entry['timesteps']}"
