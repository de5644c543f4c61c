# SPDX-License-Identifier: Apache-2.0
"""Line charts as SVG, both axes logarithmic, readable on light and dark pages."""

import html
import math

PALETTE = ["#e8590c", "#1971c2", "#2f9e44", "#9c36b5", "#c2255c", "#0c8599", "#866118", "#5f3dc4", "#5c940d", "#f59f00"]
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #343a40; }
.title { font-size: 15px; font-weight: 600; }
.grid { stroke: #dee2e6; stroke-width: 1; }
.axis { stroke: #868e96; stroke-width: 1; }
.small { font-size: 11px; fill: #868e96; }
.bar { fill: #adb5bd; }
.ours { fill: #e8590c; }
@media (prefers-color-scheme: dark) {
  text { fill: #dee2e6; }
  .grid { stroke: #343a40; }
  .small { fill: #909296; }
  .bar { fill: #5c5f66; }
  .ours { fill: #ff922b; }
}
"""


def size_label(value):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit and value % unit == 0:
            return f"{value // unit} {name}"
    return f"{value} B"


def count_label(value):
    return f"{value:,}"


def number(value):
    return f"{value:g}" if value < 1000 else f"{value:,.0f}"


def time_label(ns):
    for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= unit * 0.999:
            return f"{ns / unit:.3g} {name}"
    return f"{ns:.3g} ns"


def ticks(low, high):
    """Round numbers between two powers of ten."""
    steps = (1,) if high - low > 2 else (1, 2, 5)
    values = [step * 10.0 ** decade for decade in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return [value for value in values if low <= math.log10(value) <= high]


def line_chart(title, note, x_label, y_label, series, x_text=size_label, second=None, y_text=number, width=860,
               height=430):
    """`series`: [(name, [(x, y), ...], emphasis)], x and y above zero; emphasis `None` is a floor.

    `second` is a scale at the right, (label, what y is multiplied by, how a value is written).
    """
    left, right, top, bottom = 74, 190, 58, 56
    if second:
        width, right = width + 60, right + 60
    xs = sorted({x for _, points, _ in series for x, _ in points})
    ys = [y for _, points, _ in series for _, y in points]
    if not ys:
        return ""
    x0, x1 = math.log10(xs[0]), math.log10(xs[-1])
    if x0 == x1:
        x0, x1 = x0 - 0.5, x1 + 0.5
    y0, y1 = math.log10(min(ys)), math.log10(max(ys))
    pad = max(0.08, (y1 - y0) * 0.06)
    y0, y1 = y0 - pad, y1 + pad
    if y1 - y0 < 1:
        middle = (y0 + y1) / 2
        y0, y1 = middle - 0.5, middle + 0.5

    def px(x):
        return left + (math.log10(x) - x0) / (x1 - x0) * (width - left - right)

    def py(y):
        return height - bottom - (math.log10(y) - y0) / (y1 - y0) * (height - top - bottom)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
           f'aria-label="{html.escape(title)}">', f"<style>{STYLE}</style>",
           f'<text class="title" x="{left}" y="24">{html.escape(title)}</text>',
           f'<text class="small" x="{left}" y="42">{html.escape(note)}</text>']
    for y in ticks(y0, y1):
        out.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{py(y):.1f}" y2="{py(y):.1f}"/>')
        out.append(f'<text x="{left - 8}" y="{py(y) + 4:.1f}" text-anchor="end">{y_text(y)}</text>')
    beside = width - right + 12
    if second:
        label, factor, text = second
        for value in ticks(y0 + math.log10(factor), y1 + math.log10(factor)):
            y = py(value / factor)
            out.append(f'<line class="axis" x1="{beside - 8}" x2="{beside - 4}" y1="{y:.1f}" y2="{y:.1f}"/>')
            out.append(f'<text class="small" x="{beside}" y="{y + 4:.1f}">{text(value)}</text>')
        out.append(f'<text class="small" x="{beside - 8}" y="{top - 10}">{html.escape(label)}</text>')
        beside += 60
    last = -100.0
    for x in xs:
        out.append(f'<line class="axis" x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{height - bottom}" y2="{height - bottom + 4}"/>')
        if px(x) - last >= 52:
            out.append(f'<text x="{px(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{x_text(x)}</text>')
            last = px(x)
    out.append(f'<line class="axis" x1="{left}" x2="{width - right}" y1="{height - bottom}" y2="{height - bottom}"/>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 14}" text-anchor="middle">{html.escape(x_label)}</text>')
    out.append(f'<text transform="translate(18 {(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">'
               f"{html.escape(y_label)}</text>")
    labels, index = [], -1
    for name, points, emphasis in series:
        if not points:
            continue
        if emphasis is None:
            colour, dash = "#868e96", ' stroke-dasharray="2 3"'
        else:
            index += 1
            colour = PALETTE[index % len(PALETTE)]
            dash = ' stroke-dasharray="5 3"' if index >= len(PALETTE) else ""
        points = sorted(points)
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{3 if emphasis else 1.5}"'
                   f'{dash} stroke-linejoin="round"/>')
        for x, y in points:
            out.append(f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="{3.5 if emphasis else 2.2}" fill="{colour}"/>')
        labels.append([py(points[-1][1]), name, colour, emphasis, px(points[-1][0])])
    labels.sort()
    for one, two in zip(labels, labels[1:]):
        two[0] = max(two[0], one[0] + 15)
    overflow = labels[-1][0] - (height - bottom) if labels else 0
    if overflow > 0:
        labels[-1][0] -= overflow
        for index in range(len(labels) - 2, -1, -1):
            labels[index][0] = min(labels[index][0], labels[index + 1][0] - 15)
    for y, name, colour, emphasis, _ in labels:
        weight = ";font-weight:700" if emphasis else ""
        out.append(f'<text x="{beside}" y="{y + 4:.1f}" style="fill:{colour}{weight}">{html.escape(name)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def bar_panels(title, note, panels, width=860):
    """`panels`: [(heading, [(name, length, label, class), ...])], two in a row; bars are linear in length."""
    columns, name_width, row, head = min(2, len(panels)), 150, 19, 34
    panel_width = (width - 20) / columns
    rows = max(len(bars) for _, bars in panels)
    panel_height = head + rows * row + 14
    height = 56 + panel_height * ((len(panels) + columns - 1) // columns)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
           f'aria-label="{html.escape(title)}">', f"<style>{STYLE}</style>",
           f'<text class="title" x="10" y="24">{html.escape(title)}</text>',
           f'<text class="small" x="10" y="42">{html.escape(note)}</text>']
    for index, (heading, bars) in enumerate(panels):
        left = 10 + (index % columns) * panel_width
        top = 56 + (index // columns) * panel_height
        room = panel_width - name_width - 98
        longest = max(length for _, length, _, _ in bars)
        out.append(f'<text x="{left + name_width:.0f}" y="{top + 20:.0f}" style="font-weight:600">{html.escape(heading)}</text>')
        for number, (name, length, label, kind) in enumerate(bars):
            y = top + head + number * row
            weight = ' style="font-weight:700"' if kind == "ours" else ""
            out.append(f'<text x="{left + name_width - 8:.0f}" y="{y + 10:.0f}" text-anchor="end"{weight}>{html.escape(name)}</text>')
            bar = max(1.0, room * length / longest)
            out.append(f'<rect class="{kind}" x="{left + name_width:.0f}" y="{y:.0f}" width="{bar:.1f}" height="13" rx="2"/>')
            out.append(f'<text class="small" x="{left + name_width + bar + 6:.1f}" y="{y + 10:.0f}">{html.escape(label)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
