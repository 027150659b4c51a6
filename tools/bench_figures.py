"""What the words of bench.py share: medians, tables, bars.

SPDX-License-Identifier: Apache-2.0
"""
import statistics


def spread(values):
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}


def short(value):
    """Three digits."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def with_range(s, unit=""):
    return f"{short(s['median'])}{unit} [{short(s['min'])}-{short(s['max'])}]"


def table(head, rows):
    """Lines of a table that reads as text and as Markdown."""
    cells = [head, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


COLOURS = ("#1b6ca8", "#7fb2d9", "#5a9e6f", "#b0b0b0", "#c8553d")


def bars(title, groups, series, values, unit):
    """SVG: a group of bars for each of `groups`; values[series][group] is {median, min, max}, or None."""
    left, top, height, bar, gap = 70, 50, 260, 26, 30
    group_width = bar * len(series) + gap
    width = left + group_width * len(groups) + 20
    highest = max(v["max"] for row in values for v in row if v)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + height + 90}" '
           f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{title}</text>']
    for i in range(5):
        y = top + height * (1 - i / 4)
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y}" y2="{y}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{short(highest * i / 4)}</text>')
    out.append(f'<text x="{left - 6}" y="{top - 12}" text-anchor="end">{unit}</text>')
    for g, group in enumerate(groups):
        x = left + gap / 2 + g * group_width
        out.append(f'<text x="{x + bar * len(series) / 2}" y="{top + height + 18}" text-anchor="middle">{group}</text>')
        for s, row in enumerate(values):
            v = row[g]
            if not v:
                continue
            y, at = top + height * (1 - v["median"] / highest), x + s * bar
            low, high = (top + height * (1 - v[k] / highest) for k in ("min", "max"))
            out.append(f'<rect x="{at + 2}" y="{y:.1f}" width="{bar - 4}" height="{top + height - y:.1f}" '
                       f'fill="{COLOURS[s % len(COLOURS)]}"><title>{series[s]}: {with_range(v)}</title></rect>'
                       f'<line x1="{at + bar / 2}" x2="{at + bar / 2}" y1="{low:.1f}" y2="{high:.1f}" stroke="#333"/>')
    for s, name in enumerate(series):
        x, y = left + (s % 3) * 190, top + height + 40 + s // 3 * 20
        out.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[s % len(COLOURS)]}"/>'
                   f'<text x="{x + 18}" y="{y}">{name}</text>')
    return "\n".join(out) + "\n</svg>\n"
