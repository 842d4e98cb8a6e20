package cli

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// evil is what a terminal would obey: it names its window, clears it with an
// 8-bit sequence, goes back to the beginning of the line, begins a further one,
// and reverses the order of letters.
const evil = "\x1b]0;owned\x07\u009b2J\x7f\r\nfake  UP\u202egpj\U000e0041"

// obeyed is the first character of an output that a terminal would obey.
func obeyed(text string) error {
	for i, r := range text {
		if !strconv.IsPrint(r) && r != '\n' && r != '\t' {
			return fmt.Errorf("it holds %q in %q", r, text[max(0, i-20):min(len(text), i+20)])
		}
	}
	return nil
}

func FuzzPrintable(f *testing.F) {
	f.Add(evil)
	f.Add("plain äöü 日本\n\ttext")
	f.Add("\xff\xfe\xc2")
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		if n, err := printing(&b).Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%d of %d bytes, %v", n, len(text), err)
		}
		if err := obeyed(b.String()); err != nil {
			t.Error(err)
		}
		if strings.ContainsFunc(oneLine(text), unicode.IsControl) {
			t.Errorf("%q is not one line", oneLine(text))
		}
		if once := printable(text, ""); printable(once, "") != once {
			t.Errorf("%q changes once more", once)
		}
	})
}
