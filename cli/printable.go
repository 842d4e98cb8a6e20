package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// printing makes what goes to w safe to look at: names and words come from
// Consul, HAProxy and the agent, and a terminal would obey what they may hold.
// Lines and tabs stay.
func printing(w io.Writer) io.Writer { return printer{w} }

// A printer writes what is shown to people. Each write is taken for itself: no
// character may be divided between two.
type printer struct{ w io.Writer }

// Write writes p with its control characters made visible; n counts those of p.
func (p printer) Write(text []byte) (n int, err error) {
	if _, err := io.WriteString(p.w, printable(string(text), "\n\t")); err != nil {
		return 0, err
	}
	return len(text), nil
}

// A checked writer remembers why a write to it failed first. Few commands look at that
// themselves; what nobody could read must not count as done.
type checked struct {
	w   io.Writer
	err error
}

// Write passes p on.
func (c *checked) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil && c.err == nil {
		c.err = err // which names the file
	}
	return n, err
}

// oneLine is text in which nothing moves the cursor, for one cell of a table or
// one line of a list: a name must not pass for further rows.
func oneLine(text string) string { return printable(text, "") }

// printable is text in which what is neither printable nor in keep is written as
// JSON writes it, so that a JSON document stays the same one: \u001b for the
// escape character. That goes for all that Unicode gives no picture of its own,
// such as marks that reverse the order of what follows them. Bytes that are no
// UTF-8 become the replacement character.
func printable(text, keep string) string {
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	shown := func(r rune) bool { return strconv.IsPrint(r) || strings.ContainsRune(keep, r) }
	if strings.IndexFunc(text, func(r rune) bool { return !shown(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case shown(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
