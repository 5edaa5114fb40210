"""The report of a soak, as text; no I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.soak import Soak


def written(soak: Soak) -> str:
    """What was injected, what came back, and the figures."""
    judge = soak.judge
    lines = ["injected"]
    lines += [f"  {count:5}  {kind}" for kind, count in sorted(soak.trouble.made.items())]
    lines += [f"calls: {sum(judge.kinds.values()):,}, lost: {judge.lost}"]
    lines += [f"  {count:5}  {name}" for name, count in sorted(judge.commands.items())]
    lines += ["ended as (count, p50, p99, longest)"]
    for kind, count in judge.kinds.most_common():
        times_s = judge.times_s.get(kind)
        lines.append(f"  {count:5}  {kind}{_times(times_s) if times_s else ''}")
    lines += [
        f"get_status: {len(judge.times_s.get('get_status', ()))} times{_times(judge.times_s.get('get_status', ()))}"
    ]
    lines += ["the module"]
    lines += [
        f"  {when}: {look}" for when, look in zip(("after the warm-up", "at the end"), soak.snapshots, strict=True)
    ]
    lines += ["  memory on the way, MB: " + " ".join(f"{look.resident_mb:.0f}" for look in soak.on_the_way)]
    lines += ["  fresh again after the faults: " + ", ".join(f"{after_s:.1f} s" for after_s in soak.back_after_s)]
    return "\n".join(lines) + "\n"


def _times(times_s: Sequence[float]) -> str:
    if not times_s:
        return ""
    ordered = sorted(times_s)
    p50, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return f": {p50 * 1e3:.0f} ms, {p99 * 1e3:.0f} ms, {ordered[-1] * 1e3:.0f} ms"
