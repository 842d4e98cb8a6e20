package haproxy_test

import (
	"slices"
	"testing"

	"thalassa/haproxy"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"  server s1\t127.0.0.1:80 check # ssl\n": {"server", "s1", "127.0.0.1:80", "check"},
		`server "s 1" 'a\b'\ c#d`:                 {"server", "s 1", `a\b c`},
		`"" a"b"'c' \"d`:                          {"", "abc", `"d`},
		`'$HOME' \$x`:                             {"$HOME", "$x"},
		"":                                        nil,
		"   # nothing":                            nil,
	} {
		if got, isClear := haproxy.Words(line); !slices.Equal(got, want) || !isClear {
			t.Errorf("%q: got %q, %t", line, got, isClear)
		}
	}
	for _, line := range []string{`server s1 $ADDRESS`, `server s1 "${ADDRESS}:80"`, `server s\x31 127.0.0.1:80`} {
		if got, isClear := haproxy.Words(line); isClear {
			t.Errorf("%q is clear: %q", line, got)
		}
	}
}
