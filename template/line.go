package template

import (
	"errors"
	"strings"

	"thalassa/lb"
)

// A line is one line of haproxy.cfg, read the way HAProxy does.
type line struct {
	number int // from 1
	text   string
	raw    []string // words as written, quotes included; empty for blanks and comments
	words  []string // what the words stand for, environment variables not expanded
}

// keyword is the first word, or "".
func (l line) keyword() string {
	if len(l.words) == 0 {
		return ""
	}
	return l.words[0]
}

// is reports whether l is a native line, blanks around it aside.
func (l line) is(native string) bool { return strings.TrimSpace(l.text) == native }

// maxLine is what both HAProxy's and the library's readers take.
const maxLine = 60 << 10

var (
	errControl = errors.New("holds a control character")
	errLong    = errors.New("is longer than 60 KiB")
)

// newLine splits text into words.
func newLine(number int, text string) (line, error) {
	l := line{number: number, text: text}
	if len(text) > maxLine {
		return l, errLong
	}
	if strings.ContainsFunc(text, isControl) {
		return l, errControl
	}
	w, err := lb.SplitWords(text)
	l.raw, l.words = w.Raw, w.Values
	return l, err
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
