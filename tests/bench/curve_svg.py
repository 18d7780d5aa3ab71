"""Learning curves as an SVG file: lines over an axis, colours that tell them apart also in grey, by dash."""
import html

COLOURS = ("#1b6ca8", "#c8553d", "#2a7f62", "#8a4fb0", "#b8860b", "#555555", "#0aa0a0", "#d81b60")
DASHES = ("", "6 3", "2 3", "8 3 2 3")


def curves(title, x_axis, y_axis, series, height=380):
    """The SVG text of `series`: {name: [(x, y), ...]}."""
    left, top, right, bottom = 56, 34, 60 + 7 * max(map(len, series)), 44  # names are at most 7 a letter wide
    width = left + 494 + right
    points = [point for line in series.values() for point in line]
    x_most, y_most = max(x for x, _ in points), max(y for _, y in points) * 1.05 or 1

    def place(x, y):
        return left + x / x_most * (width - left - right), height - bottom - y / y_most * (height - top - bottom)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
             f"<title>{html.escape(title)}</title>", f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="{left}" y="20" font-size="14">{html.escape(title)}</text>']
    for i in range(5):
        x, y = i * x_most / 4, i * y_most / 4
        (at_x, _), (_, at_y) = place(x, 0), place(0, y)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{at_y:.1f}" y2="{at_y:.1f}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{at_y + 4:.1f}" text-anchor="end">{y:.2f}</text>'
                     f'<text x="{at_x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{x:.0f}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">{html.escape(x_axis)}</text>'
                 f'<text transform="translate(14 {height / 2}) rotate(-90)" text-anchor="middle">{html.escape(y_axis)}</text>')
    for i, (name, line) in enumerate(series.items()):
        look = f'stroke="{COLOURS[i % len(COLOURS)]}" stroke-dasharray="{DASHES[i % len(DASHES)]}"'
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke-width="2" {look}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[i % len(COLOURS)]}"/>' for x, y in (place(*point) for point in line)]
        y = top + 18 * i
        parts.append(f'<line x1="{width - right + 14}" x2="{width - right + 40}" y1="{y}" y2="{y}" stroke-width="2" {look}/>'
                     f'<text x="{width - right + 46}" y="{y + 4}">{html.escape(name)}</text>')
    return "\n".join(parts + ["</svg>", ""])
