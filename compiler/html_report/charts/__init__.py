"""Charts drawn as SVG by hand: no library is needed, and every stroke follows the page's theme."""
