package lb

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds names so that ids, ACL names and log lines stay readable and
// far below HAProxy's line limit.
const maxName = 128

// A Name is the key of a frontend or backend, or a Consul service name: one to
// 128 letters of ASCII, digits and characters out of "_.:-".
type Name string

// ParseName checks s against the rule of Name.
func ParseName(s string) (Name, error) {
	if err := checkChars(s, "_.:-"); err != nil {
		return "", err
	}
	return Name(s), nil
}

// CheckNew refuses names that programs take for directories in an address: "." and "..". What
// is stored already stays readable.
func (n Name) CheckNew() error {
	if n == "." || n == ".." {
		return bad(strconv.Quote(string(n))+" is what programs take for a directory in an address", "another name")
	}
	return nil
}

// checkNew is CheckNew for the key of an object.
func (n Name) checkNew(fe *FieldErrors) { fe.AddErr("key", n.CheckNew()) }

// A Version selects instances of a service. Besides a Name's characters it may
// hold + and ~, which semantic and package versions use.
type Version string

// ParseVersion checks s against the rule of Version.
func ParseVersion(s string) (Version, error) {
	if err := checkChars(s, "_.:-+~"); err != nil {
		return "", err
	}
	return Version(s), nil
}

func checkChars(s, extra string) error {
	expected := "1 to " + strconv.Itoa(maxName) + " characters out of A-Z a-z 0-9 " + strings.Join(strings.Split(extra, ""), " ")
	switch {
	case s == "":
		return bad("is missing", expected)
	case len(s) > maxName:
		return bad("is "+strconv.Itoa(len(s))+" characters long", expected)
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && !strings.Contains(extra, s[i:i+1]) {
			return bad(strconv.Quote(s)+" holds a character that is not allowed", expected)
		}
	}
	return nil
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// oneOf accepts s when it is in allowed; an empty s becomes the first.
func oneOf(s string, allowed ...string) (string, error) {
	if s == "" {
		return allowed[0], nil
	}
	if slices.Contains(allowed, s) {
		return s, nil
	}
	return "", bad(strconv.Quote(s)+" is not known here", "one of "+strings.Join(allowed, ", "))
}

// hasControl reports whether s holds a control character, a line break of
// Unicode or bytes that are no text.
func hasControl(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}
