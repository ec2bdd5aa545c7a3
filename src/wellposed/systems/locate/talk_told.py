"""What was heard, as a table, JSON and CSV."""

import csv
import io
import json
import math
from typing import Any

from wellposed.systems.locate.wideband import Heard, Talk

COLUMNS = ("time_s", "level_db", "azimuth_deg", "elevation_deg", "agreement")


def rows(talk: Talk) -> list[dict[str, float | None]]:
    """One row a piece; None where nothing was heard."""
    return [
        {
            "time_s": piece.seconds,
            "level_db": piece.level_db if math.isfinite(piece.level_db) else None,
            **_told(piece.heard),
        }
        for piece in talk.pieces
    ]


def text_of(talk: Talk, every_piece: bool = True) -> str:
    """A table for people: the whole recording first."""
    lines = [
        f"azimuth    {_sure(talk, 0)}",
        f"elevation  {_sure(talk, 1)}",
        f"agreement of microphones {talk.heard.agreement:.2f} (1: all, 0: chance)",
        *_voices(talk),
        *(f"note: {each}" for each in talk.notes),
    ]
    if every_piece:
        lines += ["", "  time [s]  level [dB]  azimuth [deg]  elevation [deg]  agreement"]
    for row in rows(talk) if every_piece else []:
        if row["azimuth_deg"] is None:
            lines.append(f"{row['time_s']:10.2f}  silent")
            continue
        lines.append(
            f"{row['time_s']:10.2f}{row['level_db']:12.1f}{row['azimuth_deg']:15.1f}"
            f"{row['elevation_deg']:17.1f}{row['agreement']:11.2f}"
        )
    return "\n".join(lines)


def json_of(talk: Talk) -> str:
    """All of it for machines; angles in degrees, null where nothing is known."""
    whole: dict[str, Any] = _told(talk.heard)
    for number, name in enumerate(("azimuth", "elevation")):
        whole[f"{name}_sd_deg"] = _degrees(talk.deviations[number])
        whole[f"{name}_interval_deg"] = [_degrees(each) for each in talk.interval[number]]
    voices = [
        {
            "azimuth_deg": math.degrees(each.azimuth),
            "azimuth_sd_deg": _degrees(each.deviations[0]),
            "elevation_deg": math.degrees(each.elevation),
            "elevation_sd_deg": _degrees(each.deviations[1]),
            "share": each.share,
        }
        for each in talk.voices
    ]
    content = {
        "recording": whole, "voices": voices, "pieces": rows(talk), "notes": list(talk.notes)
    }  # fmt: skip
    return json.dumps(content, indent=1)


def csv_of(talk: Talk) -> str:
    """One line a piece."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(talk))
    return sink.getvalue()


def _told(heard: Heard | None) -> dict[str, float | None]:
    if heard is None:
        return {"azimuth_deg": None, "elevation_deg": None, "agreement": None}
    return {
        "azimuth_deg": math.degrees(heard.azimuth),
        "elevation_deg": math.degrees(heard.elevation),
        "agreement": heard.agreement,
    }


def _voices(talk: Talk) -> list[str]:
    """A line a voice, where there are several at once."""
    lines = [f"voices at once: {len(talk.voices)}; the direction above is that of all together"]
    for number, each in enumerate(talk.voices, 1):
        parts = [
            f"{name} {math.degrees(angle):.1f}"
            + ("" if math.isnan(sd) or not free else f" ± {math.degrees(sd):.1f}")
            + " deg"
            for name, angle, sd, free in zip(
                ("azimuth", "elevation"), (each.azimuth, each.elevation), each.deviations,
                talk.free, strict=True,
            )
        ]  # fmt: skip
        lines.append(f"  voice {number}: {', '.join(parts)}; {each.share:.0%} of the sound")
    return lines if talk.voices else []


def _sure(talk: Talk, number: int) -> str:
    angle = math.degrees((talk.heard.azimuth, talk.heard.elevation)[number])
    if not talk.free[number]:
        return f"{angle:.2f} deg, not searched"
    sd, (low, high) = talk.deviations[number], talk.interval[number]
    if math.isnan(sd):
        return f"{angle:.2f} deg; too few pieces to say how sure"
    ends = f"{math.degrees(low):.2f} to {math.degrees(high):.2f}"
    return f"{angle:.2f} ± {math.degrees(sd):.2f} deg (95 %: {ends})"


def _degrees(angle: float) -> float | None:
    return math.degrees(angle) if math.isfinite(angle) else None
