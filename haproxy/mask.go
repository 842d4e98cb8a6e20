package haproxy

import (
	"strconv"
	"strings"

	"thalassa/lb"
)

// HAProxy's messages quote the files that haproxy.cfg names: patterns, maps, lists of
// certificates, error files. Readers of the messages may not be allowed to read those
// files. So only the text of haproxy.cfg and HAProxy's own words are shown.

// ellipsis replaces what is masked.
const ellipsis = "…"

// A mask decides which words of a message are shown.
type mask struct {
	path  string // of haproxy.cfg, as messages have it
	lines []string
	words map[string]bool // of haproxy.cfg
}

// maskText masks in HAProxy's messages what they quote from files other than config. path
// is the name of config in the messages.
func maskText(text, path string, config []byte) string {
	m := &mask{path: path, lines: strings.Split(string(config), "\n"), words: map[string]bool{}}
	for word := range strings.FieldsFuncSeq(string(config), isDelimiter) {
		m.words[word] = true
	}
	var out strings.Builder
	for _, message := range messages(text) {
		if message.level != "" {
			out.WriteString("[" + message.level + "]  (0) : ")
		}
		out.WriteString(m.maskMessage(message.text) + "\n")
	}
	return out.String()
}

// maskMessage masks a message by its subject. A message about a line of haproxy.cfg that
// names no file is shown. About a line that names one, or about another file, only known
// words are shown. In other messages quoted words must be known.
func (m *mask) maskMessage(text string) string {
	line, other := m.location(text)
	switch {
	case other:
		return m.onlyKnown(m.maskQuotes(text, ""), "")
	case line == "":
		return m.maskQuotes(text, "")
	case reachesFiles(line):
		return m.onlyKnown(m.maskQuotes(text, line), line)
	}
	return text
}

// location is the line of haproxy.cfg in a message, "" for none, and whether the message
// is about a line of another file.
func (m *mask) location(text string) (line string, other bool) {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "[")
		if !found {
			return line, other
		}
		place, _, _ := strings.Cut(after, "]")
		rest = after
		file, number, ok := cutLast(place, ":")
		n, err := strconv.Atoi(number)
		switch {
		case !ok || err != nil:
		case file != m.path:
			other = other || strings.HasPrefix(file, "/")
		case line == "" && n > 0 && n <= len(m.lines):
			line = m.lines[n-1]
		}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// reachesFiles reports whether a line of haproxy.cfg may name something outside of it.
func reachesFiles(line string) bool {
	return len(lb.RawLine(strings.TrimSpace(line)).Uses()) > 0
}

// onlyKnown masks all unknown words; line is the line of haproxy.cfg in the message.
func (m *mask) onlyKnown(text, line string) string {
	fields := strings.Fields(text)
	out := fields[:0]
	for i, field := range fields {
		core := strings.TrimFunc(field, isDelimiter)
		shown := field
		if core != "" && core != ellipsis && !m.knows(core, line) && !isLineNumber(fields, i) {
			shown = strings.Replace(field, core, ellipsis, 1)
		}
		if strings.Contains(shown, ellipsis) && len(out) > 0 && strings.Contains(out[len(out)-1], ellipsis) {
			out[len(out)-1] = toEllipsis(out[len(out)-1]) + afterEllipsis(shown)
			continue
		}
		out = append(out, shown)
	}
	return strings.Join(out, " ")
}

// toEllipsis is s up to the first ellipsis, inclusive.
func toEllipsis(s string) string {
	before, _, _ := strings.Cut(s, ellipsis)
	return before + ellipsis
}

// afterEllipsis is s after the first ellipsis.
func afterEllipsis(s string) string {
	_, rest, _ := strings.Cut(s, ellipsis)
	return rest
}

// isLineNumber reports a number as in "line 3 of file" and "(error offset: 9)".
func isLineNumber(fields []string, i int) bool {
	number := strings.TrimFunc(fields[i], isDelimiter)
	return i > 0 && len(number) < 7 && strings.Trim(number, "0123456789") == "" &&
		(fields[i-1] == "line" || fields[i-1] == "offset:")
}

// knows reports whether a word is from haproxy.cfg, the position of a line, or one of
// HAProxy's own.
func (m *mask) knows(word, line string) bool {
	if m.words[word] || len(word) > 3 && strings.Contains(line, word) {
		return true
	}
	if file, number, ok := cutLast(word, ":"); ok && strings.Trim(number, "0123456789") == "" && (m.words[file] || file == m.path) {
		return true
	}
	word = strings.TrimSuffix(word, "(*")
	return word == m.path || lb.KnownWord(word) || isPhrase(strings.ToLower(word))
}

// maskQuotes masks quoted text with an unknown word.
func (m *mask) maskQuotes(text, line string) string {
	var out strings.Builder
	for text != "" {
		start := strings.IndexAny(text, "'\"<`")
		if start < 0 {
			break
		}
		out.WriteString(text[:start+1])
		closing := strings.ReplaceAll(strings.ReplaceAll(text[start:start+1], "<", ">"), "`", "'")
		quoted, rest, found := strings.Cut(text[start+1:], closing)
		if !found || strings.Trim(quoted, " ") == "" || start > 0 && isLetter(text[start-1]) { // an apostrophe, or an arrow
			text = text[start+1:]
			continue
		}
		if !m.knowsAll(quoted, line) {
			quoted = ellipsis
		}
		out.WriteString(quoted + closing)
		text = rest
	}
	return out.String() + text
}

// knowsAll reports whether all words of a quoted text are known.
func (m *mask) knowsAll(quoted, line string) bool {
	for field := range strings.FieldsSeq(quoted) {
		if core := strings.TrimFunc(field, isDelimiter); core != "" && !m.knows(core, line) {
			return false
		}
	}
	return true
}

func isDelimiter(r rune) bool { return strings.ContainsRune(" \t\r\n'\"`<>()[]{},;.:?!|=", r) }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// isPhrase reports whether a word occurs in HAProxy's messages about files.
func isPhrase(word string) bool {
	const phrases = " a about acl address after all allowed already an and another any anymore are argument arguments args as at available back" +
		" bad base64 be because before but by bytes ca cannot cert certificate certificates character class condition config configuration" +
		" converter could couldn't crl crt crt-list decode default defined detected did directory does dh duplicate each either empty" +
		" encountered end entries error error=missing errorfile error(s erroffset exist expected expects expression extra failed fatal fetch field file files" +
		" filename find for format found from frontend backend defaults global got has have header headers here http-request id if" +
		" ignored in incompatible integer internal invalid ip ipv4 ipv6 is issuer it its keep key keyword keywords large larger length" +
		" line lines list load loaded loading long lookup lua map match matching maybe mean memory message method missing mode must name named" +
		" neither no non-null none nor not null number of offset on one only open opened opening option options or out page parse parsing" +
		" path pattern patterns please position precede previous private process processing proxy range read reading regex required return rule" +
		" same sample section see server should since size spoe spoe-agent spoe-message ssl start starting stat stat( status string such supported switching" +
		" system syntax table terminating than that the there this time to too trailing truncated type unable unexpected unknown unless unsupported usage use used" +
		" using valid value variable version was were when while will with without wrong yet you your "
	return strings.Contains(phrases, " "+word+" ")
}
