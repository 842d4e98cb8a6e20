package lb_test

import (
	"fmt"
	"strings"
	"testing"

	"thalassa/lb"
)

// kinds are the first letters of the kinds of uses.
func kinds(uses []lb.Use) string {
	letter := map[lb.UseKind]string{
		lb.ContentFile: "content", lb.CertificateFile: "certificate", lb.Socket: "socket", lb.Program: "program",
		lb.Environment: "environment", lb.Unreadable: "unreadable", lb.Unknown: "unknown",
		lb.Destination: "destination",
	}
	var all []string
	for _, u := range uses {
		all = append(all, letter[u.Kind]+" "+u.Name)
	}
	return strings.Join(all, ", ")
}

func TestUses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		// Nothing outside.
		"":                  "",
		"# crt /x":          "",
		"option httplog":    "",
		"no option httplog": "",
		"default option x":  "",
		"http-request set-header X-A \"é <b> & 'c'\"":                      "",
		"http-request set-path /files%[path]":                              "",
		"http-request deny if { path_reg ^/(env|map)(/[a-z]+)?$ }":         "",
		"http-request deny if { path_reg ^/env(/.*)?$ }":                   "",
		"http-request redirect location https://%[hdr(host)]/a(b)":         "",
		"http-request lua.auth /x":                                         "",
		"http-request track-sc0 src table /x":                              "",
		"http-request set-header file /etc/passwd":                         "",
		"http-request return status 200 content-type text/plain string ok": "",
		"acl x path_beg /a /b":                                             "",
		"use_backend %[path,regsub(/x,/y)]":                                "",
		"bind 127.0.0.1:80":                                                "",
		"bind :80,:::81,ipv4@:82 name x":                                   "",
		"bind quic4@:443 ssl crt @store/web alpn h3":                       "",
		"server x 10.0.0.1:80 check inter 2s cookie x":                     "",
		"server x tcp4@10.0.0.1:80 source 0.0.0.0 usesrc clientip":         "",
		"default-server check inter 1s ssl verify none":                    "",
		"log global":           "",
		"no log":               "",
		"log ring@x local0":    "",
		"log backend@x local0": "",
		"filter compression":   "",
		"http-check connect port 80 addr 127.0.0.1 ssl alpn h2":         "",
		"http-request set-var(txn.x) str(a),jwt_verify(HS256,a/secret)": "",
		"http-request set-var(txn.x) str(a),jwt_verify(HS256,/x)":       "certificate /x",
		"http-request set-var(txn.x) str(a),jwt_verify(RS256,txn.key)":  "",
		"server-state-file-name use-backend-name":                       "",
		"acl x path -f virt@list":                                       "",
		"server x 192.0.2.9 check":                                      "",
		"server x [2001:db8::1]:+100":                                   "",
		"server x 0.0.0.0:80":                                           "",
		"server x rhttp@":                                               "",
		"option tcplog":                                                 "",
		"http-request set-src hdr_ip(x)":                                "",
		// Where the client chooses the destination.
		"server x 0.0.0.0":                           "destination 0.0.0.0",
		"server x * check":                           "destination *",
		"server x :0":                                "destination :0",
		"server x [::]:+0":                           "destination [::]:+0",
		"server x ::ffff:0.0.0.0:-1":                 "destination ::ffff:0.0.0.0:-1",
		"server x app.example":                       "destination app.example",
		"server x tcp4@localhost:+5":                 "destination tcp4@localhost:+5",
		"server-template x 3 app.example":            "destination app.example",
		"option transparent":                         "destination transparent",
		"transparent":                                "destination transparent",
		"http-request set-dst ipv4(127.0.0.1)":       "destination set-dst",
		"http-request set-dst-port int(8500)":        "destination set-dst-port",
		"tcp-request content set-dst src if TRUE":    "destination set-dst",
		"tcp-request connection set-dst-port int(1)": "destination set-dst-port",
		`http-request set-header X "a\$b"`:           "",
		`http-request set-header X 'a${B}'`:          "",
		`http-request set-header X a${B}`:            "",

		// Contents.
		"acl x path -f /x":                                             "content /x",
		"acl x path -i -m beg -f /x -f /y":                             "content /x, content /y",
		"acl x path -f opt@/x":                                         "content /x",
		"acl x path -f file@/x":                                        "content /x",
		"acl x path -f virt@/../x":                                     "content virt@/../x",
		"acl x path '-f' \"/x\"":                                       "content /x",
		"acl x path -\\x66 /\\x78":                                     "content /x",
		"acl x path \\-f /x":                                           "", // HAProxy keeps this backslash
		"acl x path -f /a\\ b":                                         "content /a b",
		"acl x path -f '/a b'#c":                                       "content /a b",
		"acl x path -f /x # -f /y":                                     "content /x",
		"use_backend b if { path -f /x }":                              "content /x",
		"use_backend b unless !{ src -f /x } a":                        "content /x",
		"no http-request deny if { src -f /x }":                        "content /x",
		"errorfile 503 /x":                                             "content /x",
		"default errorfile 503 /x":                                     "content /x",
		"http-request return file /x":                                  "content /x",
		"http-request return status 200 content-type a lf-file \"/x\"": "content /x",
		"http-request deny deny_status 429 errorfile /x if TRUE":       "content /x",
		"http-request tarpit content-type a file /x":                   "content /x",
		"http-response return file /x":                                 "content /x",
		"http-response deny lf-file /x":                                "content /x",
		"http-error status 503 content-type a lf-file /x":              "content /x",
		"http-request set-header X %[path,map(/x,/default)]":           "content /x",
		"http-request set-header X a%{+Q}[path,map_str_int(/x)]":       "content /x",
		"http-request set-header X %[path,lower,map_reg(\\\"/x\\\")]":  "content /x",
		"http-request set-header X '%[path,map(\"/a,b\")]'":            "content /a,b",
		`http-request set-header X '%[path,map(/a\ b)]'`:               "content /a b",
		`http-request set-header X %[path,map(/a\\\\b)]`:               `content /a\b`,
		"stick on src map_ip(/x)":                                      "content /x",
		"acl x path,map(/x) -m found":                                  "content /x",
		"use-server s if { path,map_dom(/x) -m found }":                "content /x",
		"log-format %[path,map(/x)]":                                   "content /x",
		"http-request set-map(/x) %[src] a":                            "content /x",
		"http-request add-acl(/x) %[src]":                              "content /x",
		"http-response del-map(/x) %[src]":                             "content /x",
		"http-response del-acl(/x) %[src]":                             "content /x",
		"server x 10.0.0.1:80 ssl sni str(a),map(/x)":                  "content /x",
		"http-check send uri-lf %[path,map(/x)]":                       "content /x",
		"filter spoe engine a config /x":                               "content /x",
		"filter spoe config /x engine config":                          "content /x",
		"filter opentracing id a config /x":                            "content /x",
		"bind :443 ssl crt-list /x":                                    "content /x",
		"server-state-file-name /x":                                    "content /x",
		"unique-id-format %[path,map(/x)]":                             "content /x",
		"tcp-request content reject if { src -f /x }":                  "content /x",
		"http-request set-var(txn.a) path,map(/x)":                     "content /x",
		"monitor fail if { src -f /x }":                                "content /x",
		"stats http-request deny if { src -f /x }":                     "content /x",

		// Certificates.
		"bind :443 ssl crt /x crt /y":                               "certificate /x, certificate /y",
		"bind :443 ssl default-crt /x":                              "certificate /x",
		"bind :443 ssl name crt crt /x":                             "certificate crt, certificate /x",
		"bind :443 ssl crt @../x":                                   "certificate @../x",
		"bind :443 ssl verify required ca-file /x":                  "certificate /x",
		"bind :443 ssl ca-verify-file /x crl-file /y":               "certificate /x, certificate /y",
		"bind :443 ssl generate-certificates ca-sign-file /x":       "certificate /x",
		"bind :443 ssl tls-ticket-keys /x":                          "certificate /x",
		"server x a:443 ssl ca-file /x crt \"/y\"":                  "certificate /x, certificate /y",
		"server-template x 3 a:443 ssl crl-file /x":                 "certificate /x",
		"default-server ssl crt '/x'":                               "certificate /x",
		"ssl-f-use crt /x ocsp /y ssl-min-ver TLSv1.2":              "certificate /x, certificate /y",
		"http-request set-var(txn.x) str(a),jwt_verify(RS256,/x)":   "certificate /x",
		"http-request set-var(txn.x) str(a),jwt_verify(txn.alg,/x)": "certificate /x",

		// Sockets.
		"bind /x":                                "socket /x",
		"bind :80,/x":                            "socket /x",
		"bind unix@/x":                           "socket unix@/x",
		"bind :80,unix@/x user a mode 777":       "socket unix@/x, program user a, program mode 777",
		"bind abns@x":                            "socket abns@x",
		"bind abnsz@x":                           "socket abnsz@x",
		"bind fd@3":                              "socket fd@3",
		"bind sockpair@4":                        "socket sockpair@4",
		"bind stream+unix@/x":                    "socket stream+unix@/x",
		"bind newfamily@x":                       "socket newfamily@x",
		"server x unix@/x":                       "socket unix@/x",
		"server x /x check":                      "socket /x",
		"server x a:1 check addr unix@/x":        "socket unix@/x",
		"server x a:1 agent-check agent-addr /x": "socket /x",
		"server x a:1 source unix@/x":            "socket unix@/x",
		"server x a:1 socks4 /x":                 "socket /x",
		"server-template x 3 /x":                 "socket /x",
		"default-server source /x":               "socket /x",
		"dispatch /x":                            "socket /x",
		"source /x":                              "socket /x",
		"log /dev/log local0":                    "socket /dev/log",
		"log dgram+unix@/x local0":               "socket dgram+unix@/x",
		"log stdout local0":                      "socket stdout",
		"log stderr format raw local0":           "socket stderr",
		"log fd@1 local0":                        "socket fd@1",
		"tcp-check connect addr unix@/x":         "socket unix@/x",
		"http-check connect addr /x":             "socket /x",

		// Programs and rights.
		"external-check command /x":        "program /x",
		"external-check path /x":           "program /x",
		"option external-check":            "program external-check",
		"bind :80 namespace x":             "program namespace x",
		"bind :80 expose-fd listeners":     "program expose-fd listeners",
		"server x a:1 namespace x":         "program namespace x",
		"filter trace hexdump":             "program trace",
		"bind :80 uid 0 gid 0 group root":  "program uid 0, program gid 0, program group root",
		"bind :80 name x mode 777 v4v6":    "program mode 777",
		"bind :80 accept-proxy user root":  "program user root",
		"default-server namespace x check": "program namespace x",

		// Variables.
		`http-request set-header X "$B"`:        "environment B",
		`http-request set-header X "a${B-c}"`:   "environment B",
		`http-request set-header X "${B[*]}"`:   "environment B",
		`bind :443 ssl crt "${DIR}/x"`:          "environment DIR, certificate ${DIR}/x",
		"bind $A:80":                            "environment A",
		"server x '${A}:80'":                    "environment A",
		"http-request set-header X %[env(B)]":   "environment B",
		"http-request set-header X %[env('B')]": "environment B",
		"acl x env(B) -m found":                 "environment B",
		"http-request return string \"$B\"":     "environment B",

		// What cannot be read, or is not known.
		"acl x path -f\\x00 /x":         "unreadable holds a zero byte",
		"option \"x":                    "unreadable has a quote without its other half",
		"newkeyword /x":                 `unknown "newkeyword"`,
		"no no option x":                `unknown "no"`,
		"ACL x path":                    `unknown "ACL"`,
		"bind :80 newoption /x":         `unknown "newoption", unknown "/x"`,
		"server x a:1 newoption":        `unknown "newoption"`,
		"http-request newaction /x":     `unknown "newaction"`,
		"http-request newaction(/x) a":  `unknown "newaction(/x)"`,
		"tcp-request content newaction": `unknown "newaction"`,
		"http-after-response newaction": `unknown "newaction"`,
		"filter newfilter config /x":    `unknown "newfilter"`,
		"ssl-f-use newoption /x":        `unknown "newoption", unknown "/x"`,
		"lua-load /x":                   `unknown "lua-load"`,
		"stats-file /x":                 `unknown "stats-file"`,
		"newkeyword x path -f /x":       `content /x, unknown "newkeyword"`,
	} {
		if got := kinds(lb.RawLine(line).Uses()); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

// TestUsesQuoted writes each word of lines in every way that HAProxy reads as the
// same word; what they reach is the same.
func TestUsesQuoted(t *testing.T) {
	t.Parallel()
	quotes := []func(string) string{
		func(s string) string { return "'" + s + "'" },
		func(s string) string { return `"` + s + `"` },
		func(s string) string { return s[:1] + "''" + s[1:] },
		func(s string) string { return s[:len(s)-1] + `"` + s[len(s)-1:] + `"` },
		func(s string) string { return fmt.Sprintf(`\x%02x`, s[0]) + s[1:] },
		func(s string) string { return s[:len(s)-1] + fmt.Sprintf(`\x%02X`, s[len(s)-1]) },
	}
	for _, words := range [][]string{
		{"acl", "x", "path", "-f", "/x"},
		{"errorfile", "503", "/x"},
		{"http-request", "return", "status", "200", "content-type", "a", "lf-file", "/x"},
		{"bind", ":443", "ssl", "crt", "/x"},
		{"bind", "unix@/x"},
		{"server", "x", "a:443", "ssl", "ca-file", "/x"},
		{"http-request", "set-header", "X", "%[path,map(/x)]"},
		{"filter", "spoe", "config", "/x"},
		{"option", "external-check"},
		{"log", "stdout", "local0"},
	} {
		want := kinds(lb.RawLine(strings.Join(words, " ")).Uses())
		if want == "" {
			t.Errorf("%v reaches nothing", words)
		}
		for at := 1; at < len(words); at++ {
			for i, quote := range quotes {
				changed := append([]string(nil), words...)
				changed[at] = quote(words[at])
				for _, sep := range []string{" ", "\t ", "   "} {
					line := strings.Join(changed, sep)
					if got := kinds(lb.RawLine(line).Uses()); got != want {
						t.Errorf("way %d: %q reaches %q, want %q", i, line, got, want)
					}
				}
			}
		}
	}
}

// FuzzUses reads any line without trouble, and one that reaches nothing reaches
// nothing behind a comment either.
func FuzzUses(f *testing.F) {
	f.Add("acl x path -f \"/x\"")
	f.Add("http-request set-header X %[path,map(\"/a\\ b\",c)]")
	f.Add("bind 'unix@/x',:80 crt \\x2fx # y")
	f.Fuzz(func(t *testing.T, line string) {
		n, err := lb.ParseRawLine(line)
		if err != nil {
			return
		}
		uses := n.Uses()
		for _, u := range uses {
			if u.Kind == 0 {
				t.Errorf("%q: %+v has no kind", line, u)
			}
		}
		if w, err := lb.SplitWords(string(n)); err == nil && len(w.Values) > 0 && !strings.HasSuffix(string(n), `\`) && len(lb.RawLine(string(n)+" # -f /x").Uses()) != len(uses) {
			t.Errorf("%q: a comment changes what it reaches", line)
		}
	})
}
