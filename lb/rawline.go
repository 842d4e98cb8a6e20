package lb

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A RawLine is one raw line of haproxy.cfg that an operator wrote. It cannot leave its section: it
// has no line break, opens no section and is no preprocessor directive (HAProxy configuration
// manual, 2.4 and 4).
type RawLine string

// maxLine bounds what becomes one line, or one word, of haproxy.cfg, so that it
// stays within what HAProxy reads even when it has to be quoted.
const maxLine = 8 << 10

// sectionKeywords open a section in some version of HAProxy from 2.6 to 3.2.
const sectionKeywords = " global defaults frontend backend listen peers resolvers mailers userlist program" +
	" http-errors ring cache fcgi-app log-forward log-profile crt-store crt-list traces acme namespace_list "

// IsSection reports whether a line that begins with keyword opens a section of
// haproxy.cfg.
func IsSection(keyword string) bool {
	return keyword != "" && !strings.Contains(keyword, " ") && strings.Contains(sectionKeywords, " "+keyword+" ")
}

// ParseRawLine checks one raw line; surrounding blanks are dropped.
func ParseRawLine(s string) (RawLine, error) {
	const expected = "one line of haproxy.cfg that belongs into this section"
	line := strings.TrimSpace(s)
	switch {
	case len(line) > maxLine:
		return "", bad("is "+strconv.Itoa(len(line))+" bytes long", "at most "+strconv.Itoa(maxLine)+" bytes")
	case !utf8.ValidString(line):
		return "", bad("has bytes that are not UTF-8", "text in UTF-8")
	case hasControl(strings.ReplaceAll(line, "\t", " ")):
		return "", bad("holds a line break or another control character", expected)
	case line == "":
		return "", bad("is empty", expected)
	case strings.HasPrefix(line, "."):
		return "", bad(strconv.Quote(line)+" is a preprocessor directive", expected)
	}
	keyword := nativeKeyword(line)
	switch {
	case strings.ContainsAny(keyword, "\"'\\"):
		// HAProxy would unquote it, and \x62ackend would open a section.
		return "", bad(strconv.Quote(line)+" has a quoted keyword", expected)
	case IsSection(keyword):
		return "", bad(strconv.Quote(line)+" opens a section", expected)
	}
	return RawLine(line), nil
}

// nativeKeyword is the word that decides what the line is. A comment ends a word
// ("global#x" is global), and "no" and "default" only modify the next one.
func nativeKeyword(line string) string {
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	switch {
	case len(words) == 0:
		return ""
	case len(words) > 1 && (words[0] == "no" || words[0] == "default"):
		return words[1]
	}
	return words[0]
}

func parseNatives(fe *FieldErrors, in []string) []RawLine {
	out := slices.Grow([]RawLine(nil), len(in))
	for i, s := range in {
		n, err := ParseRawLine(s)
		fe.AddErr("natives["+strconv.Itoa(i)+"]", err)
		out = append(out, n)
	}
	return out
}

func nativeTexts(natives []RawLine) []string {
	out := make([]string, len(natives))
	for i, n := range natives {
		out[i] = string(n)
	}
	return out
}
