package cli

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A tableRow is what becomes a line of a table: cells of a text each, or nothing.
type tableRow struct {
	cells []string
	color int
}

// texts is how many columns, the first ones, hold texts; the others hold numbers.
const texts = 4

// table puts cells under each other. In a window of some width texts are cut that
// are very long, and columns are left out that are needed least, until the others
// fit into it.
func table(rows []tableRow, width int) []line {
	widths := columnWidths(rows, width > 0)
	var without []int
	for _, least := range []int{10, 9, 7, 3} { // OUT/S, IN/S, QUEUE; BIND or VERSION
		if width <= 0 || total(widths, without) <= width {
			break
		}
		without = append(without, least)
	}
	lines := make([]line, len(rows))
	for i, r := range rows {
		var b strings.Builder
		for c, cell := range r.cells {
			if !slices.Contains(without, c) {
				b.WriteString(padded(oneLine(cell), widths[c], c < texts) + " ")
			}
		}
		lines[i] = line{strings.TrimRight(b.String(), " "), r.color}
	}
	return lines
}

// columnWidths are what the texts take, and what numbers take at most.
func columnWidths(rows []tableRow, bounded bool) []int {
	widths, longest := []int{20, 9, 7, 8, 8, 7, 6, 6, 6, 8, 8}, [texts]int{40, 12, 8, 24}
	for _, r := range rows {
		for c := range min(texts, len(r.cells)) {
			takes := utf8.RuneCountInString(oneLine(r.cells[c]))
			if bounded {
				takes = min(takes, longest[c])
			}
			widths[c] = max(widths[c], takes)
		}
	}
	return widths
}

// total is the width of all columns but some.
func total(widths, without []int) int {
	sum := -1 // nothing stands behind the last one
	for c, w := range widths {
		if !slices.Contains(without, c) {
			sum += w + 1
		}
	}
	return sum
}

// padded is a cell in a width: a text at its beginning, a number at its end.
func padded(cell string, width int, text bool) string {
	n := utf8.RuneCountInString(cell)
	switch {
	case n > width && text:
		return clip(cell, width-1) + "…"
	case text:
		return cell + strings.Repeat(" ", width-n)
	}
	return strings.Repeat(" ", max(0, width-n)) + cell
}
