package lb_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"thalassa/lb"
)

func TestRawLinesDoNotOverrideFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body, line string
		taken      bool
	}{
		{`{}`, "mode tcp", false},
		{`{}`, "mode http", true},
		{`{"backend": "live"}`, "default_backend other", false},
		{`{"backend": "live"}`, "default_backend live", true},
		{`{"rules": [{"type": "path", "operation": "path", "value": "/", "backend": "api"}]}`, "acl rule_1 src 10.0.0.0/8", false},
		{`{"rules": [{"type": "path", "operation": "path", "value": "/", "backend": "api"}]}`, "acl rule_2 src 10.0.0.0/8", true},
		{`{"keepalive": "close"}`, "option http-keep-alive", false},
		{`{"keepalive": "close"}`, "option httpclose", true},
		{`{}`, "option httpclose", true},
	} {
		f := frontend(t, "x", `{"bind": "*:1", "backend": "live"}`)
		spec := f.Spec()
		decode(t, c.body, &spec)
		spec.Natives = []string{c.line}
		parsed, err := spec.Parse("x")
		if err != nil {
			t.Fatal(err)
		}
		if err := parsed.CheckNew(); (err == nil) != c.taken {
			t.Errorf("frontend %s with %q: %v", c.body, c.line, err)
		}
	}
	for _, c := range []struct {
		body, line string
		taken      bool
	}{
		{`{}`, "mode tcp", false},
		{`{"balance": "source"}`, "balance leastconn", false},
		{`{}`, "balance leastconn", true},
		{`{}`, "balance nonsense", false},
		{`{"health": {}}`, "option httpchk GET /x", false},
		{`{"health": {}}`, "option mysql-check", false},
		{`{"health": {}}`, "http-check send meth HEAD", false},
		{`{"health": {}}`, "http-check expect status 200", true},
		{`{}`, "option httpchk GET /x", true},
		{`{"host": "a"}`, "http-request set-header host b", false},
		{`{}`, "http-request set-header host b", true},
		{`{}`, "default-server no-check", false},
		{`{}`, "default-server disabled", false},
		{`{}`, "default-server inter 20s", true},
		{`{"health": {"interval": 2000}}`, "default-server inter 20s", false},
		{`{"health": {"interval": 20000}}`, "default-server inter 20s", true},
		{`{"health": {}}`, "default-server inter 20s", true},
		{`{}`, "default-server inter never", false},
		{`{}`, "default-server weight 100", true},
		{`{}`, "default-server weight 257", false},
		{`{"type": "dynamic", "service": "a", "version": "1", "members": null}`, "default-server weight 100", false},
		{`{}`, "default-server init-addr none", false},
		{`{}`, "default-server resolvers mine init-addr none", true},
		{`{}`, "default-server cookie weight maxconn 7", true},
	} {
		spec := lb.BackendSpec{Type: "static", Members: []lb.MemberSpec{{Host: "10.0.0.1", Port: 80}}}
		decode(t, c.body, &spec)
		spec.Natives = []string{c.line}
		b, err := spec.Parse("x")
		if err == nil {
			err = b.CheckNew()
		}
		if (err == nil) != c.taken {
			t.Errorf("backend %s with %q: %v", c.body, c.line, err)
		}
	}
}

func TestDefaultServerIsTheTypedSetting(t *testing.T) {
	t.Parallel()
	b := backend(t, "x", `{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}], "natives": ["balance leastconn", "default-server maxconn 9 inter 20s weight 100"]}`)
	if b.CheckInterval() != 20*time.Second || b.Balance != "leastconn" {
		t.Errorf("interval %s, balance %q", b.CheckInterval(), b.Balance)
	}
	if w := lb.Populate(*b, lb.Snapshot{}).Members[0].Weight; w != 100 {
		t.Errorf("weight %d", w)
	}
	b = backend(t, "x", `{"type": "static", "health": {}, "natives": ["default-server inter 20s"]}`)
	if b.CheckInterval() != 20*time.Second || b.CheckNew() != nil {
		t.Errorf("interval %s, %v", b.CheckInterval(), b.CheckNew())
	}
}

func TestRawLinesReferToBackends(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"default_backend idle", "use_backend idle if TRUE", `use_backend "idle" if TRUE`,
		"http-request deny if { nbsrv(idle) lt 1 }", "http-request set-header x %[be_conn(idle)]", "acl up srv_is_up(idle/s1)",
		"stick match src table idle", "http-request track-sc0 src table idle", "acl many src,table_conn_rate(idle) gt 9", "http-request deny if { sc0_conn_rate(idle) gt 9 }",
	} {
		f := rawFrontend(t, "x", "bind *:99", line)
		if line == "default_backend idle" {
			f = frontend(t, "x", `{"natives": ["bind *:99", "default_backend idle"]}`)
		}
		in, err := intent(t).Apply(lb.Edit{Frontend: f})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		_, err = in.Apply(lb.Edit{Delete: "backend/idle"})
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || len(conflict.By) != 1 || conflict.By[0] != "frontend/x" {
			t.Errorf("deleting what %q names: %v", line, err)
		}
		if _, err := in.Apply(lb.Edit{Delete: "frontend/x"}); err != nil {
			t.Error(err)
		}
	}
	for _, line := range []string{"http-request set-header idle x", "acl a hdr(idle) x", "use_backend %[req.hdr(idle)]", "# idle"} {
		in, err := intent(t).Apply(lb.Edit{Frontend: rawFrontend(t, "x", "bind *:99", line)})
		if err == nil {
			_, err = in.Apply(lb.Edit{Delete: "backend/idle"})
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	in, err := intent(t).Apply(lb.Edit{Backend: backend(t, "y", `{"type": "static", "natives": ["server a 10.0.0.1:80 track idle/s1"]}`)})
	if err == nil {
		_, err = in.Apply(lb.Edit{Delete: "backend/idle"})
	}
	if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.By[0] != "backend/y" {
		t.Errorf("deleting what a server tracks: %v", err)
	}
}

func TestRawTargetsFitTheMode(t *testing.T) {
	t.Parallel()
	_, err := intent(t).Apply(lb.Edit{Frontend: rawFrontend(t, "x", "bind *:99", "use_backend raw if TRUE")})
	if _, ok := errors.AsType[*lb.InvalidError](err); !ok {
		t.Errorf("a backend in mode tcp: %v", err)
	}
	e := lb.Edit{Frontend: rawFrontend(t, "x", "bind *:99", "use_backend nowhere if TRUE")}
	in, err := intent(t).Apply(e)
	if err != nil || e.UnknownTargets(in) == nil {
		t.Errorf("a backend that may be the template's: %v, %v", err, e.UnknownTargets(in))
	}
}

func TestStoredOverridesAreWarnedOf(t *testing.T) {
	t.Parallel()
	in := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{
			"a": *rawFrontend(t, "a", "bind *:99"), "b": *rawFrontend(t, "b", "bind 0.0.0.0:99", "mode tcp"),
		},
		Backends: map[lb.Name]lb.Backend{"live": *backend(t, "live", `{"type": "static", "natives": ["default-server no-check"]}`)},
	}
	if got := lb.FieldOverrides(in); len(got) != 3 {
		t.Errorf("%q", got)
	}
	if got := lb.FieldOverrides(intent(t)); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// decode changes the fields of a specification.
func decode(tb testing.TB, body string, spec any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(body), spec); err != nil {
		tb.Fatal(err)
	}
}
