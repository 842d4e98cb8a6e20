package template_test

import (
	"strings"
	"testing"

	"thalassa/lb"
	"thalassa/template"
)

// peersLine renders the default template with more lines in its global section.
func peersLine(tb testing.TB, p lb.Process, global string) string {
	tb.Helper()
	tmpl, err := template.Parse("confined", strings.Replace(template.DefaultSource(), "global\n", "global\n"+global+"\n", 1))
	if err != nil {
		tb.Fatal(err)
	}
	r, err := tmpl.Render(lb.Config{Process: p})
	if err != nil {
		tb.Fatal(err)
	}
	if w := template.Warnings(r.Bytes); len(w) > 0 {
		tb.Errorf("%q: warnings %q", global, w)
	}
	_, rest, _ := strings.Cut(string(r.Bytes), "peers thalassa\n")
	line, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	return line
}

// The old worker connects as the user, and from the root, that the template names.
func TestPeersBindIsReachableForTheWorkers(t *testing.T) {
	for _, c := range []struct {
		setting, global, want string
	}{
		{"", "", "bind unix@/run/peers mode 600"},
		{"haproxy", "", "bind unix@/run/peers mode 600 user haproxy"},
		{"", "user www-data", "bind unix@/run/peers mode 600 user www-data"},
		{"", "uid 99", "bind unix@/run/peers mode 600 uid 99"},
		{"haproxy", "user www-data", "bind unix@/run/peers mode 600 user www-data"}, // HAProxy takes the first
		{"", "chroot /", "bind unix@/run/peers mode 600"},
		{"", "# chroot /var/lib/haproxy", "bind unix@/run/peers mode 600"},
		{"", "chroot /var/lib/haproxy", "bind abns@thalassa-"},
		{"haproxy", "chroot '/var/lib/ha proxy'\nulimit-n 4000", "bind abns@thalassa-"},
	} {
		got := peersLine(t, lb.Process{PeersSocket: "/run/peers", User: c.setting}, c.global)
		if got != c.want && (!strings.HasSuffix(c.want, "-") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("user %q, %q: %q, want %q", c.setting, c.global, got, c.want)
		}
	}
	if a, b := peersLine(t, lb.Process{PeersSocket: "/run/a"}, "chroot /x"), peersLine(t, lb.Process{PeersSocket: "/run/b"}, "chroot /x"); a == b {
		t.Errorf("two agents of a machine share %q", a)
	}
}

func TestWarningsNameSocketsThatWorkersCannotReach(t *testing.T) {
	for config, want := range map[string]string{
		"global\nchroot /jail\npeers p\nbind unix@/run/p mode 600\n":            "line 4: chroot /jail hides unix@/run/p",
		"global\nchroot /jail\npeers p\npeer thalassa /run/p\n":                 "line 4: chroot /jail hides /run/p",
		"peers p\nbind /run/p mode 600\nglobal\nuser nobody\n":                  "line 2: the workers run as user nobody",
		"global\nuid 5\npeers p\nbind /run/p user x uid 6 mode 0600\n":          "", // x may be 5
		"global\nuser y\npeers p\nbind uxst@/run/p mode 0600 user x\n":          "line 4: the workers run as user y",
		"global\nuser y\npeers p\nbind /run/p mode 666\n":                       "",
		"global\nuser y\npeers p\nbind /run/p mode 600 user y\n":                "",
		"global\nuser root\npeers p\nbind /run/p mode 600\n":                    "",
		"global\nchroot /jail\npeers p\nbind 127.0.0.1:99\npeer b ::1:9\n":      "",
		"global\nchroot /jail\npeers p\nbind abns@p\nfrontend f\nbind /run/f\n": "",
	} {
		got := strings.Join(template.Warnings([]byte(config)), "\n")
		if !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%q: warnings %q, want %q", config, got, want)
		}
	}
}
