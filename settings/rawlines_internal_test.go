package settings

import (
	"strings"
	"testing"

	"thalassa/lb"
)

// TestRawLinesOfSettings has the agent's own files out of reach by default.
func TestRawLinesOfSettings(t *testing.T) {
	t.Parallel()
	s, err := load(t, "token-file: /etc/haproxy/thalassa.tokens\nconsul-token-file: /etc/haproxy/consul.token\n"+
		"db-path: /etc/haproxy/db\npersistence: /etc/haproxy/persistence.json\n")
	if err != nil {
		t.Fatal(err)
	}
	for line, allowed := range map[string]bool{
		"errorfile 503 /usr/share/haproxy/503.http":                    true,
		"errorfile 503 /etc/haproxy/errors/503.http":                   true,
		"bind :443 ssl crt /etc/ssl/private/a.pem":                     true,
		"bind :443 ssl crt /etc/letsencrypt/live/a/a.pem":              true,
		"errorfile 503 /etc/passwd":                                    false,
		"http-request return file /etc/haproxy/thalassa.tokens":        false,
		"http-request return file /etc/haproxy/consul.token":           false,
		"http-request return file /etc/haproxy/db/haproxy.startup.log": false,
		"http-request return file /etc/haproxy/persistence.json":       false,
		"http-request return file /etc/haproxy/haproxy.cfg":            false,
		"http-request return file " + s.file:                           false,
		"bind unix@/etc/haproxy/x":                                     false,
		"option external-check":                                        false,
	} {
		refused, _ := s.RawLines().Check(lb.Edit{Frontend: &lb.Frontend{Natives: []lb.RawLine{lb.RawLine(line)}}})
		if (refused == nil) != allowed {
			t.Errorf("%s: %v", line, refused)
		}
	}
	s, err = load(t, "", "--allow-natives", "any", "--natives-dirs", "/srv/a,/srv/b", "--token-file", "/srv/a/tokens")
	if err != nil {
		t.Fatal(err)
	}
	for line, allowed := range map[string]bool{
		"bind unix@/etc/haproxy/x": true, "errorfile 503 /etc/passwd": true, "errorfile 503 /srv/a/tokens": false,
	} {
		refused, _ := s.RawLines().Check(lb.Edit{Frontend: &lb.Frontend{Natives: []lb.RawLine{lb.RawLine(line)}}})
		if (refused == nil) != allowed {
			t.Errorf("with any, %s: %v", line, refused)
		}
	}
	for _, args := range [][]string{{"--allow-natives", "everything"}, {"--natives-dirs", "maps"}} {
		if _, err := load(t, "", args...); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(args[0], "--")+": ") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
