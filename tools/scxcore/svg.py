#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draw a terminal: svg.py TITLE <TEXT >PICTURE

TEXT is what "tmux capture-pane -e -p" prints. The picture asks for no font of the network's.
"""

import io
import re
import sys

try:
    from rich.ansi import AnsiDecoder
    from rich.console import Console
except ImportError:
    sys.exit("svg.py: no rich, so there are no pictures; run scripts/setup --screenshots")

LICENCE = "<!-- SPDX-License-Identifier: GPL-2.0 -->\n"


def main():
    # All at once, as what a line ends with holds for the next one.
    lines = list(AnsiDecoder().decode(sys.stdin.read().rstrip("\n")))
    width = max(line.cell_len for line in lines)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop", crop=True)
    svg = console.export_svg(title=sys.argv[1])
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code,", "")
    # Some programs take blanks away from the ends of a text, even those that do not break.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    svg = re.sub(r"<!-- Generated with .*? -->\s*", "", svg)
    print(LICENCE + "\n".join(line.rstrip() for line in svg.splitlines()))


main()
