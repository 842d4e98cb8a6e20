package lb

import (
	"strconv"
	"strings"
)

// A Native is one raw line of haproxy.cfg that an operator wrote. It stays
// inside its own section: it holds no line break, opens no section and is no
// preprocessor directive (HAProxy configuration manual, 2.4 and 4).
type Native string

// sectionKeywords open a section in some version of HAProxy from 2.6 to 3.2.
const sectionKeywords = " global defaults frontend backend listen peers resolvers mailers userlist program" +
	" http-errors ring cache fcgi-app log-forward log-profile crt-store crt-list traces acme namespace_list "

// ParseNative checks one raw line; surrounding blanks are dropped.
func ParseNative(s string) (Native, error) {
	const expected = "one line of haproxy.cfg that belongs into this section"
	line := strings.TrimSpace(s)
	switch {
	case hasControl(strings.ReplaceAll(line, "\t", " ")):
		return "", bad("holds a line break or another control character", expected)
	case line == "":
		return "", bad("is empty", expected)
	case strings.HasPrefix(line, "."):
		return "", bad(strconv.Quote(line)+" is a preprocessor directive", expected)
	}
	keyword := strings.Fields(line)[0]
	switch {
	case strings.ContainsAny(keyword, "\"'\\"):
		// HAProxy would unquote it, and \x62ackend is a section then.
		return "", bad(strconv.Quote(line)+" has a quoted keyword", expected)
	case strings.Contains(sectionKeywords, " "+keyword+" "):
		return "", bad(strconv.Quote(line)+" opens a section", expected)
	}
	return Native(line), nil
}

func parseNatives(fe *fieldErrors, in []string) []Native {
	var out []Native
	for i, s := range in {
		n, err := ParseNative(s)
		fe.addErr("natives["+strconv.Itoa(i)+"]", err)
		out = append(out, n)
	}
	return out
}
