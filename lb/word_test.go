package lb_test

import (
	"slices"
	"testing"

	"thalassa/lb"
)

// TestWords has what HAProxy 2.6 and 3.2 make of these lines.
func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"  server s1\t127.0.0.1:80 check # ssl\n": {"server", "s1", "127.0.0.1:80", "check"},
		`server "s 1" 'a\b'\ c#d`:                 {"server", "s 1", `a\b c`},
		`"" a"b"'c' \"d`:                          {"", "abc", `"d`},
		`'$HOME' "\$x" \$x`:                       {"$HOME", "$x", `\$x`},
		`server s1 $ADDRESS`:                      {"server", "s1", "$ADDRESS"},
		`server s\x31 \x4 q\qz \`:                 {"server", "s1", `\x4`, `q\qz`, `\`},
		"a\r\n":                                   {"a"},
		"'a\tb'\n":                                {"a\tb"},
		"":                                        nil,
		"   # nothing":                            nil,
	} {
		if got, err := lb.SplitWords(line); !slices.Equal(got.Values, want) || got.Expands || err != nil || len(got.Raw) != len(want) {
			t.Errorf("%q: got %q of %q, %t, %v", line, got.Values, got.Raw, got.Expands, err)
		}
	}
	if got, err := lb.SplitWords(`server s1 "${ADDRESS}:80"`); err != nil || !got.Expands {
		t.Errorf("a variable is not found in %q: %v", got.Values, err)
	}
}

// TestWordsOfAnOpenQuote has the words up to the end of the line.
func TestWordsOfAnOpenQuote(t *testing.T) {
	want := []string{"server", "s1", "$A b"}
	if got, err := lb.SplitWords(`server s1 "$A b`); err == nil || !slices.Equal(got.Values, want) || !got.Expands {
		t.Errorf("got %q, %t, %v", got.Values, got.Expands, err)
	}
}

// TestWordsAreSplitAgain has each line's own words, whatever line was split before.
func TestWordsAreSplitAgain(t *testing.T) {
	var w lb.Words
	for range 2 {
		for line, want := range map[string][2][]string{
			`a "b c" "$d"`: {{"a", "b c", "$d"}, {"a", `"b c"`, `"$d"`}},
			"e f g h":      {{"e", "f", "g", "h"}, {"e", "f", "g", "h"}},
			"":             {},
		} {
			if err := w.Split(line); err != nil || !slices.Equal(w.Values, want[0]) || !slices.Equal(w.Raw, want[1]) || w.Expands != (line != "" && line[0] == 'a') {
				t.Errorf("%q: got %q of %q, %t, %v", line, w.Values, w.Raw, w.Expands, err)
			}
		}
	}
}
