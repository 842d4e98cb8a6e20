package haproxy_test

import (
	"strings"
	"testing"

	"thalassa/haproxy"
)

func TestSaid(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "\n \n", ""},
		{"alerts first, notices never with them", `[NOTICE]   (31823) : haproxy version is 2.6.12-1+deb12u4
[NOTICE]   (31823) : path to executable is /usr/sbin/haproxy
[WARNING]  (31823) : config : missing timeouts for frontend 'web'.
   | While not properly invalid, you will certainly encounter various problems
   | with such a configuration.
[ALERT]    (31823) : config : parsing [haproxy.cfg:13] : unknown keyword 'garbage' in 'frontend' section
[ALERT]    (31823) : config : Fatal errors found in configuration.
`, `[ALERT] config : parsing [haproxy.cfg:13] : unknown keyword 'garbage' in 'frontend' section
[ALERT] config : Fatal errors found in configuration.
[WARNING] config : missing timeouts for frontend 'web'.
   | While not properly invalid, you will certainly encounter various problems
   | with such a configuration.`},
		{"each once", "[ALERT]    (1) : same\n[ALERT]    (2) : same\n", "[ALERT] same"},
		{"notices when there is nothing else", "[NOTICE]   (5) : New worker (6) forked\n", "[NOTICE] New worker (6) forked"},
		{"other programs", "sudo: a password is required\n", "sudo: a password is required"},
		{"brackets that are no level", "[a] b\n[] c\n[ALERT d\n", "[a] b\n[] c\n[ALERT d"},
		{"no process id", "[ALERT] 322/091702 : old style\n", "[ALERT] 322/091702 : old style"},
	} {
		if got := haproxy.Said(test.text); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func FuzzSaid(f *testing.F) {
	f.Add("[ALERT]    (1) : a\n   | b\n[NOTICE]   (1) : c\nd\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := haproxy.Said(text)
		if strings.TrimSpace(text) != "" && got == "" {
			t.Errorf("the words %q are lost", text)
		}
		if again := haproxy.Said(got); strings.Contains(again, "[ALERT]") != strings.Contains(got, "[ALERT]") {
			t.Errorf("%q becomes %q, then %q", text, got, again)
		}
	})
}
