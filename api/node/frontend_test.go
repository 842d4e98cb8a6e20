package node_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"thalassa/api/node"
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

func TestParseFrontend(t *testing.T) {
	t.Parallel()
	got, err := node.ParseFrontend("web", []byte(`{
		"id": "frontend/web", "_type": "frontend", "key": "web", "name": "web",
		"bind": "*:80, [::1]:443 ,127.0.0.1:81", "backend": "live", "mode": "http", "keepalive": "close",
		"rules": [
			{"type": "path", "operation": "path_beg", "value": " /a  /b ", "backend": "a"},
			{"type": "header", "header": "Host", "operation": "hdr_dom", "value": "example.org", "backend": "b"}
		],
		"natives": ["option forwardfor"], "register": {"name": "edge"}
	}`))
	want := lb.Frontend{
		Key: "web", Binds: []lb.Bind{{Port: 80}, {Host: "::1", Port: 443}, {Host: "127.0.0.1", Port: 81}}, Backend: "live",
		Mode: "http", Keepalive: "close", Natives: []lb.RawLine{"option forwardfor"}, Register: "edge",
		Rules: []lb.Rule{
			{Type: "path", Operation: "path_beg", Values: []string{"/a", "/b"}, Backend: "a"},
			{Type: "header", Header: "Host", Operation: "hdr_dom", Values: []string{"example.org"}, Backend: "b"},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	got, err = node.ParseFrontend("web", []byte(`{"bind": "*:80", "backend": "live", "rules": null}`))
	want = lb.Frontend{Key: "web", Binds: []lb.Bind{{Port: 80}}, Backend: "live", Mode: "http", Keepalive: "default"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("defaults: %v\ngot  %+v\nwant %+v", err, got, want)
	}
}

func TestParseFrontendNamesTheBadFields(t *testing.T) {
	t.Parallel()
	rule := func(s string) string { return `{"bind": "*:80", "rules": [` + s + `]}` }
	for _, c := range []struct {
		body string
		want []string
	}{
		{`{"bind": "*:80", "backend": "live"`, []string{"body"}},
		{``, []string{"body"}},
		{`[]`, []string{"body"}},
		{`"web"`, []string{"body"}},
		{`{"bind": "*:80", "backend": "live"} {}`, []string{"body"}},
		{`{}`, []string{"bind", "backend"}},
		{`null`, []string{"bind", "backend"}},
		{`{"bind": "*:80"}`, []string{"backend"}},
		{`{"bind": "*:80", "backend": "a b"}`, []string{"backend"}},
		{`{"bind": "80", "backend": "a"}`, []string{"bind"}},
		{`{"bind": "*:80,*:80", "backend": "a"}`, []string{"bind"}},
		{`{"bind": "*:80,,*:81", "backend": "a"}`, []string{"bind"}},
		{`{"bind": 80, "backend": ["a"], "rules": {}}`, []string{"backend", "bind", "rules"}},
		{`{"bind": "*:80", "backend": "a", "mode": "udp", "keepalive": "yes"}`, []string{"mode", "keepalive"}},
		{`{"bind": "*:80", "backend": "a", "blind": 1, "Bind": "*:81"}`, []string{"Bind", "blind"}},
		{`{"bind": "*:80", "backend": "a", "id": "backend/web", "_type": "backend", "key": "x", "name": "y"}`, []string{"id", "_type", "key", "name"}},
		{`{"bind": "*:80", "backend": "a", "natives": ["ok", "backend x", 7]}`, []string{"natives[2]"}},
		{`{"bind": "*:80", "backend": "a", "natives": ["ok", "backend x", "a\nb"]}`, []string{"natives[1]", "natives[2]"}},
		{`{"bind": "*:80", "backend": "a", "register": {"nam": "x"}}`, []string{"register.nam"}},
		{`{"bind": "*:80", "backend": "a", "register": {}}`, []string{"register.name"}},
		{`{"bind": "*:80", "backend": "a", "register": "edge"}`, []string{"register"}},
		{`{"bind": "*:80", "backend": "a", "mode": "tcp", "rules": [{"type": "path", "operation": "path", "value": "/", "backend": "a"}]}`, []string{"rules"}},
		{rule(`{}`), []string{"rules[0].type"}},
		{rule(`{"type": "cookie"}`), []string{"rules[0].type"}},
		{rule(`{"type": "path"}`), []string{"rules[0].operation", "rules[0].value", "rules[0].backend"}},
		{rule(`{"type": "path", "operation": "hdr", "value": "/", "backend": "a"}`), []string{"rules[0].operation"}},
		{rule(`{"type": "url", "operation": "path_beg", "value": "/", "backend": "a"}`), []string{"rules[0].operation"}},
		{rule(`{"type": "path", "operation": "path", "value": "/", "backend": "a"}, {"type": "header", "operation": "hdr", "value": "x", "backend": "a"}`), []string{"rules[1].header"}},
		{rule(`{"type": "header", "header": "a b", "operation": "hdr", "value": "x", "backend": "a"}`), []string{"rules[0].header"}},
		{rule(`{"type": "path", "header": "host", "operation": "path", "value": "x", "backend": "a"}`), []string{"rules[0].header"}},
		{rule(`{"type": "path", "operation": "path", "value": "a\nb", "backend": "a"}`), []string{"rules[0].value"}},
		{rule(`{"type": "path", "operation": "path", "value": "a\u2028b", "backend": "a"}`), []string{"rules[0].value"}},
		{rule(`{"type": "path", "operation": "path", "value": "` + strings.Repeat("x", 9000) + `", "backend": "a"}`), []string{"rules[0].value"}},
		{rule(`{"type": "path", "operaton": "path", "value": 1, "backend": "a"}, 5`), []string{"rules[0].operaton", "rules[0].value", "rules[1]"}},
	} {
		_, err := node.ParseFrontend("web", []byte(c.body))
		if got := paths(err); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.200s\ngot  %q (%v)\nwant %q", c.body, got, err, c.want)
		}
	}
	if _, err := node.ParseFrontend("a/b", []byte(`{"bind": "*:80", "backend": "a"}`)); !reflect.DeepEqual(paths(err), []string{"key"}) {
		t.Errorf("a bad key: %v", err)
	}
}

// TestMessages: an error says what is wrong and what was expected.
func TestMessages(t *testing.T) {
	t.Parallel()
	_, err := node.ParseFrontend("web", []byte(`{"bind": "*:80", "rules": [{"type": "path", "operation": "regex", "value": "/", "backend": "a"}]}`))
	want := `rules[0].operation: "regex" is not known here, expected one of path, path_beg, path_reg, path_end, path_sub, path_dir, path_dom`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = node.ParseBackend("live", []byte(`{"type": "static", "members": [{"host": "10.0.0.1", "port": "80"}]}`))
	if want := "members[0].port: is a string, expected a whole number"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestServerLinesWithTheNamesOfSlots are refused when they are put, and readable when
// they are stored.
func TestServerLinesWithTheNamesOfSlots(t *testing.T) {
	t.Parallel()
	const body = `{"type":"dynamic","name":"shop","version":"1","natives":["option httplog",%q]}`
	for native, refused := range map[string]bool{
		"server s9 10.0.0.1:80": true, "server\ts12 10.0.0.1:80 check": true, "server-template s 3 www.example.org:80": true,
		`server "s9" 10.0.0.1:80`: true, `server s\9 10.0.0.1:80`: true, "server s9#x": true, `server-template 's' 3 www.example.org:80`: true,
		"server-template s5-tls-x 2 www.example.org:80": true, "server-template s5 2 www.example.org:80": true,
		"server-template s5-tls-shop. 1-3 www.example.org:80": true, `server-template "s5"-tls-x 2 www.example.org:80`: true,
		"server-template s5-notls 2 www.example.org:80": false, "server-template s5-tls-X 2 www.example.org:80": false, "server-template s0 2 www.example.org:80": false,
		"server-template s5- 2 www.example.org:80": false, "server-template s5-tls-10.0.0. 2 www.example.org:80": false, "server-template s5-web 2 www.example.org:80": false, "server-template": false,
		"server spare 10.0.0.1:80": false, "server s09 10.0.0.1:80": false, "server-template spare 3 www.example.org:80": false,
		"default-server s1": false, "server": false, "# server s1": false,
	} {
		text := fmt.Appendf(nil, body, native)
		_, err := node.ParseBackend("live", text)
		invalid, ok := errors.AsType[*lb.InvalidError](err)
		if ok != refused || refused && (len(invalid.Fields) != 1 || invalid.Fields[0].Path != "natives[1]") {
			t.Errorf("%q: %v", native, err)
		}
		stored := lb.BackendSpec{Type: "dynamic", Service: "shop", Version: "1", Natives: []string{"option httplog", native}}
		if b, err := stored.Parse("live"); refused && (err != nil || len(b.Natives) != 2) {
			t.Errorf("%q, stored, is read as %+v", native, b)
		}
	}
	static := `{"type":"static","natives":["server s9 10.0.0.1:80"]}`
	if _, err := node.ParseBackend("live", []byte(static)); err != nil {
		t.Errorf("a static backend has no slots: %v", err)
	}
}

func TestBodiesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":           "body: is empty, expected one JSON object",
		" \n":        "body: is empty, expected one JSON object",
		`{"bind": "`: "body: is not JSON (it ends too early), expected one JSON object",
		"bind=80":    "body: is not JSON (invalid character 'b' looking for beginning of value), expected one JSON object",
	} {
		if _, err := node.ParseFrontend("web", []byte(body)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
}
