package lb

import (
	"errors"
	"strings"
)

// Words are those of one line of haproxy.cfg, read the way HAProxy does
// (configuration manual, 2.2 "Quoting and escaping").
type Words struct {
	Raw    []string // as written, quotes included; empty for blanks and comments
	Values []string // without quotes and escapes; environment variables are not expanded
	// Expands: HAProxy replaces an environment variable, which it does within
	// double quotes.
	Expands bool
}

// errQuote says that a quote is not closed.
var errQuote = errors.New("has a quote without its other half")

// SplitWords reads the words of a line, with or without its line break. With an error
// the last word is the one whose quote is open.
func SplitWords(text string) (Words, error) {
	var w Words
	err := w.Split(text)
	return w, err
}

// Split is SplitWords into w, whose memory it reuses.
func (w *Words) Split(text string) error {
	w.Raw, w.Values, w.Expands = nil, w.Values[:0], false
	if !strings.ContainsAny(text, `'"\#`) {
		if w.Values == nil { // a large configuration has 20,000 lines
			w.Values = make([]string, 0, strings.Count(strings.TrimSpace(text), " ")+1)
		}
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < 0x80 && isBlank(byte(r)) }) {
			w.Values = append(w.Values, word)
		}
		w.Raw = w.Values
		return nil
	}
	s := splitter{in: text}
	for {
		raw, word, ok := s.next()
		w.Expands = s.expands
		if !ok {
			return nil
		}
		w.Raw = append(w.Raw, raw)
		w.Values = append(w.Values, word)
		if s.quote != 0 {
			return errQuote
		}
	}
}

// A splitter reads words one after the other.
type splitter struct {
	in      string
	at      int
	quote   byte // the quote that is open
	expands bool
}

// next reads a word; false at the end of the line or at a comment.
func (s *splitter) next() (raw, word string, ok bool) {
	for s.at < len(s.in) && isBlank(s.in[s.at]) {
		s.at++
	}
	start := s.at
	var b strings.Builder
	for s.at < len(s.in) && !s.ends() {
		s.take(&b)
	}
	return s.in[start:s.at], b.String(), s.at > start
}

// ends reports whether the word ends before the present character.
func (s *splitter) ends() bool {
	return s.quote == 0 && (isBlank(s.in[s.at]) || s.in[s.at] == '#')
}

// isBlank is isspace of the C locale.
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// take reads one character, or a quote, or an escape sequence.
func (s *splitter) take(b *strings.Builder) {
	c := s.in[s.at]
	s.at++
	switch {
	case c == s.quote:
		s.quote = 0
	case s.quote == 0 && (c == '"' || c == '\''):
		s.quote = c
	case c == '\\' && s.quote != '\'':
		s.escape(b)
	default:
		s.expands = s.expands || c == '$' && s.quote == '"'
		b.WriteByte(c)
	}
}

// escape reads what follows a backslash. A backslash before anything but these
// characters stands for itself, and what follows it is read as always.
func (s *splitter) escape(b *strings.Builder) {
	rest := s.in[s.at:]
	switch {
	case rest == "":
		b.WriteByte('\\')
	case strings.IndexByte(` \#"'`, rest[0]) >= 0, rest[0] == '$' && s.quote == '"':
		b.WriteByte(rest[0])
		s.at++
	case strings.IndexByte("nrt", rest[0]) >= 0:
		b.WriteByte(map[byte]byte{'n': '\n', 'r': '\r', 't': '\t'}[rest[0]])
		s.at++
	case rest[0] == 'x' && len(rest) > 2 && isHex(rest[1]) && isHex(rest[2]):
		b.WriteByte(hexValue(rest[1])<<4 | hexValue(rest[2]))
		s.at += 3
	default:
		b.WriteByte('\\')
	}
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
