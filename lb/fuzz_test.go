package lb_test

import (
	"strings"
	"testing"
	"unicode"

	"thalassa/lb"
)

func FuzzParseNative(f *testing.F) {
	for _, s := range []string{"option forwardfor", " # x", "a\tb", "backend#", "no global", "\u00a0a", "a\n", `\x62ackend`, ".if", "default\tlisten x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		native, err := lb.ParseRawLine(s)
		if err != nil {
			return
		}
		if strings.ContainsFunc(strings.ReplaceAll(string(native), "\t", " "), func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
			t.Errorf("%q was taken", native)
		}
		if again, err := lb.ParseRawLine(string(native)); err != nil || again != native {
			t.Errorf("%q, and then %q, %v", native, again, err)
		}
		// As HAProxy splits it: blanks are spaces and tabs, # ends a word.
		words := strings.FieldsFunc(string(native), func(r rune) bool { return r == ' ' || r == '\t' || r == '#' })
		if len(words) > 0 && lb.IsSection(words[0]) && !strings.HasPrefix(string(native), "#") {
			t.Errorf("%q opens a section", native)
		}
	})
}

func FuzzParseBind(f *testing.F) {
	for _, s := range []string{"*:80", ":80", "[::1]:80", "example.org:1", "::1:80", "[::ffff:10.0.0.1]:65535", "a_b:080"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bind, err := lb.ParseBind(s)
		if err != nil {
			return
		}
		if again, err := lb.ParseBind(bind.String()); err != nil || again != bind {
			t.Errorf("%q is %+v, and then %+v, %v", s, bind, again, err)
		}
		if strings.ContainsAny(bind.String(), " ,\t\n#'\"\\$@/") {
			t.Errorf("%q became %q", s, bind.String())
		}
	})
}
