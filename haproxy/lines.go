package haproxy

import (
	"bytes"
	"iter"

	"thalassa/lb"
)

// A configLine is a line of a configuration that has words.
type configLine struct {
	number  int
	section string // keyword of the section that the line stands in, or begins
	words   []string
	raw     []string // words as written, with quotes
	// isClear: HAProxy reads exactly these words. A variable of its environment, or a quote
	// that is not closed, makes a line unclear.
	isClear bool
}

// begins reports whether the line begins a section.
func (l configLine) begins() bool { return lb.IsSection(l.words[0]) }

// configLines are the lines of a configuration that have words. The words of a line are
// valid until the next one. A string that is kept keeps its line, not the configuration.
func configLines(config []byte) iter.Seq[configLine] {
	return func(yield func(configLine) bool) {
		var words lb.Words
		var l configLine
		for line := range bytes.Lines(config) {
			l.number++
			err := words.Split(string(line))
			if len(words.Values) == 0 {
				continue
			}
			l.words, l.raw, l.isClear = words.Values, words.Raw, err == nil && !words.Expands
			if l.begins() {
				l.section = l.words[0]
			}
			if !yield(l) {
				return
			}
		}
	}
}
