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


# ---------------------------------------------------------------- lines

def fit_line(points, relative=False):
    """Least squares of (x, y): slope, intercept, and where y is farthest from the line, as a share of the line's y there.

    relative: errors count as shares of y, so that small values weigh as much as large ones. None: fewer than two x."""
    weights = [1 / (y * y) if relative else 1 for _, y in points]
    total = sum(weights)
    if len({x for x, _ in points}) < 2:
        return None
    mean_x, mean_y = (sum(w * p[i] for w, p in zip(weights, points)) / total for i in (0, 1))
    slope = (sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points)) /
             sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points)))
    intercept = mean_y - slope * mean_x
    away = [(abs(y / at - 1), x) for x, y in points if (at := intercept + slope * x)]
    share, x = max(away, default=(0, None))
    return {"slope": slope, "intercept": intercept, "deviation_max": share, "deviation_at": x}


def curves(title, series, x_unit, y_unit):
    """SVG of values over x; series: (name, [(x, y)], "dots", "line" or "dashes"). Both axes begin at 0."""
    left, top, width, height = 70, 50, 560, 280
    x_max, y_max = (max((p[i] for _, points, _ in series for p in points), default=1) or 1 for i in (0, 1))

    def place(x, y):
        return left + width * x / x_max, top + height * (1 - y / y_max)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} {top + height + 80}" '
           f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{title}</text>',
           f'<text x="{left - 6}" y="{top - 12}" text-anchor="end">{y_unit}</text>',
           f'<text x="{left + width}" y="{top + height + 34}" text-anchor="end">{x_unit}</text>']
    for i in range(5):
        x, y = left + width * i / 4, top + height * (1 - i / 4)
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{y}" y2="{y}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{short(y_max * i / 4)}</text>'
                   f'<text x="{x}" y="{top + height + 18}" text-anchor="middle">{short(x_max * i / 4)}</text>')
    for s, (name, points, kind) in enumerate(series):
        colour = COLOURS[s * 4 % len(COLOURS)]
        at = [place(x, y) for x, y in points]
        if kind == "dots":
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{short(p[0])}: {short(p[1])}</title></circle>'
                    for (x, y), p in zip(at, points)]
        else:
            dashes = ' stroke-dasharray="6 4"' if kind == "dashes" else ""
            out.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}" fill="none" stroke="{colour}" '
                       f'stroke-width="1.5"{dashes}/>')
        x, y = left + s * 190, top + height + 60
        out.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/><text x="{x + 18}" y="{y}">{name}</text>')
    return "\n".join(out) + "\n</svg>\n"
