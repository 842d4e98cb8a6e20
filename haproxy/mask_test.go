package haproxy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// maskHead are the lines before the one that is tried.
const maskHead = "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nfrontend web\n bind 127.0.0.1:%d\n "

// TestMask has every release of HAProxy refuse files whose contents it quotes, and
// nothing of them may be in the refusal.
func TestMask(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rows := file("rows", "zqa zqb's zqc 'zqd' <zqe>\nzqf:$6$zqg:19000:0:99999:7:::\nzqh\n")
	regex := file("regex", "[zqa zqb\n(zqc\n")
	list := file("list", rows+" [zqopt zqv] zqsni\n")
	missing := file("missing", "zqfile.pem [alpn h2] zqsni\n")
	format := file("format", "zqa %[zqfetch(1)] zqb\n zqc\n")
	spoe := file("spoe", "spoe-agent a\n zqword zqarg\n use-backend zqb\nzqsection x\n")
	pem := file("pem", "-----BEGIN CERTIFICATE-----\nzqa\n-----END CERTIFICATE-----\n")
	answer := file("answer", "HTTP/1.0 zqa zqb\r\nzqc zqd\r\n\r\nzqe")
	lines := []string{
		"acl x src -f " + rows,
		"acl x path -m int -f " + rows,
		"acl x path -m ip -f '" + rows + "'",
		"acl x path -m reg -f " + regex,
		"acl x path -M -m int -f " + rows,
		"http-request deny if { src -f " + rows + " }",
		"use_backend x if { path -m reg -f " + regex + " }",
		"http-request set-header x %[src,map_ip_ip(" + rows + ")]",
		"http-request set-header x %[path,map_str_int(" + rows + ")]",
		"http-request set-header x %[path,map_reg(" + regex + ")]",
		"stick on src,map_ip_int(" + rows + ")",
		"bind 127.0.0.1:1 ssl crt " + rows,
		"bind 127.0.0.1:1 ssl crt " + pem,
		"bind 127.0.0.1:1 ssl crt " + dir,
		"bind 127.0.0.1:1 ssl crt-list " + rows,
		"bind 127.0.0.1:1 ssl crt-list " + list,
		"bind 127.0.0.1:1 ssl crt-list " + missing,
		"bind 127.0.0.1:1 ssl verify required ca-file " + rows,
		"bind 127.0.0.1:1 ssl verify required crl-file " + rows,
		"bind 127.0.0.1:1 ssl tls-ticket-keys " + rows,
		"errorfile 503 " + rows,
		"errorfile 503 " + answer,
		"http-error status 503 errorfile " + answer,
		"http-request return status 503 errorfile " + answer,
		"http-request return status 200 content-type a lf-file " + format,
		"http-error status 503 content-type a lf-file " + format,
		"filter spoe config " + spoe,
		"filter spoe engine zz config " + rows,
		"http-request set-var(txn.x) str(a),jwt_verify(RS256," + rows + ")",
	}
	for _, release := range testkit.HAProxies(t) {
		refused := 0
		for _, line := range lines {
			head := fmt.Sprintf(maskHead, testkit.Port(t))
			words := refusal(t, release.Path, head+line+"\n")
			if strings.Contains(words, "zq") || strings.Contains(words, "19000") {
				t.Errorf("%s: %s: the refusal shows what is in the file:\n%s", release.Version, line, words)
			}
			if words != "" {
				refused++
			}
			if words != "" && !strings.Contains(words, "haproxy.cfg:") && !strings.Contains(words, "file") {
				t.Errorf("%s: %s: the refusal says nothing:\n%s", release.Version, line, words)
			}
		}
		t.Logf("%s refused %d of %d", release.Version, refused, len(lines))
		if refused < len(lines)-4 {
			t.Errorf("%s refused %d of %d lines, so the others show nothing", release.Version, refused, len(lines))
		}
	}
}

// refusal is what Check says of a configuration; "" when it passes.
func refusal(t *testing.T, binary, config string) string {
	t.Helper()
	p := haproxy.New(haproxy.Config{Binary: binary, ConfigPath: filepath.Join(t.TempDir(), "haproxy.cfg")})
	err := p.Check(t.Context(), []byte(config))
	if err == nil {
		return ""
	}
	refused := new(lb.RefusedError)
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	return refused.Output
}

// TestMaskKeeps has refusals of lines without files, which stay as HAProxy says
// them, and of files, which stay useful.
func TestMaskKeeps(t *testing.T) {
	t.Parallel()
	const path = "/etc/haproxy/haproxy.cfg"
	const config = "frontend web\n optoin httplog\n acl x src -f /etc/haproxy/nets\n bind :80 ssl crt-list /etc/haproxy/list\n" +
		" http-request foo\n bind :80 ssl crt /etc/haproxy/web.pem\n"
	for _, test := range []struct{ name, text, want string }{
		{
			"a line without a file", "[ALERT]    (7) : config : parsing [" + path + ":2] : unknown keyword 'optoin' in 'frontend' section; did you mean 'option' maybe ?",
			"[ALERT] config : parsing [" + path + ":2] : unknown keyword 'optoin' in 'frontend' section; did you mean 'option' maybe ?",
		},
		{
			"patterns", "[ALERT]    (7) : config : parsing [" + path + ":3] : error detected while parsing ACL 'x' : 'root x 0' is not a valid IPv4 or IPv6 address at line 12 of file '/etc/haproxy/nets'.",
			"[ALERT] config : parsing [" + path + ":3] : error detected while parsing ACL 'x' : '…' is not a valid IPv4 or IPv6 address at line 12 of file '/etc/haproxy/nets'.",
		},
		{
			"a quotation with quotes", "[ALERT]    (7) : config : parsing [" + path + ":3] : error detected while parsing ACL 'x' : 'it's: a secret, 'or' not' is not a number at line 1 of file '/etc/haproxy/nets'.",
			"[ALERT] config : parsing [" + path + ":3] : error detected while parsing ACL 'x' : '…: a …, 'or' not' is not a number at line 1 of file '/etc/haproxy/nets'.",
		},
		{
			"a list", "[ALERT]    (7) : config : parsing [" + path + ":4] : 'bind :80' in section 'frontend' : 'crt-list' : parsing [/etc/haproxy/list:1]: unknown ssl keyword hunter2",
			"[ALERT] config : parsing [" + path + ":4] : 'bind :80' in section 'frontend' : 'crt-list' : parsing [/etc/haproxy/list:1]: unknown ssl keyword …",
		},
		{
			"another file", "[ALERT]    (7) : config : parsing [/etc/haproxy/spoe:3] : unknown keyword 'hunter2' in spoe-agent section.",
			"[ALERT] config : parsing […] : unknown keyword '…' in spoe-agent section.",
		},
		{
			"no place", "[ALERT]    (7) : Proxy 'web': unable to use 'hunter2' <hunter3>.\n   | It isn't 'frontend'.",
			"[ALERT] Proxy 'web': unable to use '…' <…>.\n   | It isn't 'frontend'.",
		},
		{
			"a certificate", "[ALERT]    (7) : config : parsing [" + path + ":6] : 'bind :80' in section 'frontend' : unable to load certificate from file '/etc/haproxy/web.pem': no start line.",
			"[ALERT] config : parsing [" + path + ":6] : 'bind :80' in section 'frontend' : unable to load certificate from file '/etc/haproxy/web.pem': no start line.",
		},
		{
			"an action", "[ALERT]    (7) : config : parsing [" + path + ":5]: 'http-request' expects 'wait-for-handshake', 'sc-inc-gpc(*)', 'do-resolve(*)', but got 'foo'.",
			"[ALERT] config : parsing [" + path + ":5]: 'http-request' expects 'wait-for-handshake', 'sc-inc-gpc(*)', 'do-resolve(*)', but got 'foo'.",
		},
		{
			"a line number beyond the end", "[ALERT]    (7) : config : parsing [" + path + ":99] : 'hunter2'.",
			"[ALERT] config : parsing [" + path + ":99] : '…'.",
		},
	} {
		if got := haproxy.Said(haproxy.Masked(test.text, path, []byte(config))); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}
