package lb_test

import (
	"errors"
	"strings"
	"testing"

	"thalassa/lb"
)

// paths lists the fields that an error is about.
func paths(err error) []string {
	invalid := new(lb.InvalidError)
	if !errors.As(err, &invalid) {
		return nil
	}
	out := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		out[i] = f.Path
	}
	return out
}

// parser makes one of a text parser and the String of its value.
func parser[T any](parse func(string) (T, error), text func(T) string) func(string) (string, error) {
	return func(s string) (string, error) {
		v, err := parse(s)
		if err != nil {
			return "", err
		}
		return text(v), nil
	}
}

func TestTextParsers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		parse func(string) (string, error)
		good  map[string]string
		bad   []string
	}{
		"name": {
			parser(lb.ParseName, func(n lb.Name) string { return string(n) }),
			map[string]string{"a": "a", "Live-1_x.y:z": "Live-1_x.y:z", long[:128]: long[:128]},
			[]string{"", long, "a b", "a/b", "a\n", "ä", "a+b", "a#", "\x00", "a\u00a0"},
		},
		"version": {
			parser(lb.ParseVersion, func(v lb.Version) string { return string(v) }),
			map[string]string{"1": "1", "1.0.0-rc.1+build~2": "1.0.0-rc.1+build~2"},
			[]string{"", long, "1 0", "1/0", "1\r", "^1", "1'"},
		},
		"host": {
			parser(lb.ParseHost, func(h lb.Host) string { return string(h) }),
			map[string]string{
				"10.0.0.1": "10.0.0.1", "::1": "::1", "[::1]": "::1", "2001:DB8:0::1": "2001:db8::1", "Example.ORG": "example.org",
				"a_b-c.d": "a_b-c.d", "localhost": "localhost", "example.org.": "example.org.", "::ffff:10.0.0.1": "::ffff:10.0.0.1",
			},
			[]string{
				"", ".", "10.0.0", "10.0.0.256", "010.0.0.1", "fe80::1%eth0", "[example.org]", "a b", "-a", "a-", "a..b", "*", "a:80",
				"a\n", "ä.org", strings.Repeat("x", 64), strings.Repeat("x.", 127), "${HOME}", "unix@/a", "/a",
			},
		},
		"bind": {
			parser(lb.ParseBind, lb.Bind.String),
			map[string]string{
				"*:80": "*:80", ":80": "*:80", "127.0.0.1:1": "127.0.0.1:1", "[::1]:65535": "[::1]:65535", "[0::0]:80": "[::]:80",
				"Example.org:80": "example.org:80",
			},
			[]string{
				"", "*", "80", "*:", "*:0", "*:65536", "*:-1", "*:http", "::1:80", "[::1]", "[*]:80", "a b:80", "*:80 ssl", "*:80\n", "127.0.0.1:+80",
				"fd@3:80", "[fe80::1%eth0]:80",
			},
		},
		"native": {
			parser(lb.ParseRawLine, func(n lb.RawLine) string { return string(n) }),
			map[string]string{
				"option forwardfor": "option forwardfor", "  maxconn 10\t": "maxconn 10", "# a remark": "# a remark",
				"no option httplog": "no option httplog", "http-request deny if { path -m beg \"/a # b\" }": "http-request deny if { path -m beg \"/a # b\" }",
				"acl\ta\tpath /a": "acl\ta\tpath /a", "frontends x": "frontends x", "default": "default",
			},
			[]string{
				"", "  ", "a\nb", "a\rb", "a\x00", "a\u2028b", "a\u0085b", "a\vb", "a\xff", ".if 1", " .endif", "backend evil", "\tbackend evil", "global",
				"global#", "global #x", "backend#x", "no backend evil", "default defaults", "no\tbackend evil", "crt-store a", "\u00a0backend evil",
				"backend\u00a0evil", `"backend" evil`, `'backend' evil`, `b\ackend`, `\x62ackend evil`, `back"end" evil`, `no "backend" evil`, `'' x`,
				strings.Repeat("x", 9000),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for in, want := range c.good {
				if got, err := c.parse(in); err != nil || got != want {
					t.Errorf("%q: %q, %v, want %q", in, got, err, want)
				}
			}
			for _, in := range c.bad {
				if got, err := c.parse(in); err == nil {
					t.Errorf("%q is taken as %q", in, got)
				}
			}
		})
	}
}

func TestIsSection(t *testing.T) {
	t.Parallel()
	for keyword, want := range map[string]bool{"backend": true, "global": true, "crt-store": true, "acl": false, "": false, "global defaults": false, "end": false, " global": false} {
		if lb.IsSection(keyword) != want {
			t.Errorf("IsSection(%q) = %v", keyword, !want)
		}
	}
}
