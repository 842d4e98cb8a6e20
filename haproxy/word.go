package haproxy

import "strings"

// splitWords splits a line into the words that HAProxy makes of it, without the
// comment (configuration manual, 2.2). It appends to words. What depends on the
// environment is not clear.
func splitWords(words []string, line string) (_ []string, isClear bool) {
	if !strings.ContainsAny(line, `\"'#$`) {
		for word := range strings.FieldsSeq(line) {
			words = append(words, word)
		}
		return words, true
	}
	r := wordReader{rest: line}
	for {
		word, ok := r.next()
		if !ok {
			return words, !r.unclear
		}
		words = append(words, word)
	}
}

// A wordReader reads words with quotes and escape sequences.
type wordReader struct {
	rest    string
	quote   byte
	unclear bool
}

// next is the next word, if there is one.
func (r *wordReader) next() (word string, ok bool) {
	r.rest = strings.TrimLeft(r.rest, " \t\r\n")
	if r.rest == "" || r.rest[0] == '#' {
		return "", false
	}
	var b strings.Builder
	for r.rest != "" && (r.quote != 0 || strings.IndexByte(" \t\r\n#", r.rest[0]) < 0) {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch {
		case c == r.quote:
			r.quote = 0
		case r.quote == 0 && (c == '"' || c == '\''):
			r.quote = c
		case c == '\\' && r.quote != '\'':
			r.escape(&b)
		default:
			r.unclear = r.unclear || c == '$' && r.quote != '\''
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// escape reads what follows a backslash.
func (r *wordReader) escape(b *strings.Builder) {
	switch {
	case r.rest == "":
		b.WriteByte('\\')
		return
	case strings.IndexByte(` \#"'$`, r.rest[0]) >= 0:
		b.WriteByte(r.rest[0])
	default: // \n, \x41: no name, address or option has one
		r.unclear = true
		b.WriteByte(r.rest[0])
	}
	r.rest = r.rest[1:]
}
