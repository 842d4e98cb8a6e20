package lb_test

import (
	"errors"
	"strings"
	"testing"

	"thalassa/lb"
)

func TestBindFieldTakesWhatHAProxyTakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"*:443 ssl crt /etc/ssl/x.pem":                             "*:443 ssl crt /etc/ssl/x.pem",
		" 10.0.0.1:443,  10.0.0.2:443 ssl crt /x alpn h2,http/1.1": "10.0.0.1:443,10.0.0.2:443 ssl crt /x alpn h2,http/1.1",
		"*:80 , *:81 accept-proxy":                                 "*:80,*:81 accept-proxy",
		"*:8000-8010":                                              "*:8000-8010",
		"ipv6@*:80":                                                "ipv6@*:80",
		":::80 v4v6":                                               ":::80 v4v6",
		"quic4@:443 ssl crt /x":                                    "quic4@:443 ssl crt /x",
		"unix@/run/x.sock mode 666":                                "unix@/run/x.sock mode 666",
		"/run/x.sock":                                              "/run/x.sock",
		"*:80 # all":                                               "*:80",
		`*:443 ssl crt "/etc/ssl/a b.pem"`:                         `*:443 ssl crt "/etc/ssl/a b.pem"`,
	} {
		f, err := lb.FrontendSpec{Bind: text, Backend: "live"}.Parse("web")
		if err != nil || f.Spec().Bind != want {
			t.Errorf("%q gives %q, %v, expected %q", text, f.Spec().Bind, err, want)
			continue
		}
		again, err := f.Spec().Parse("web")
		if err != nil || again.ETag() != f.ETag() {
			t.Errorf("%q is read again as %q, %v", text, again.Spec().Bind, err)
		}
	}
	for _, text := range []string{
		"", "localhost", "*:99999", "*:0 ssl", "*:80,*:80", "*:443 ssl\nglobal", `*:443 ssl crt "x`, "tpc@*:80", "*:80-70", `"*:80" ssl`, "ssl crt /x", "*:80,,*:81 ssl",
	} {
		var invalid *lb.InvalidError
		f, err := lb.FrontendSpec{Bind: text, Backend: "live"}.Parse("web")
		if !errors.As(err, &invalid) || invalid.Fields[0].Path != "bind" {
			t.Errorf("%q gives %+v, %v, expected an error about bind", text, f, err)
		}
	}
}

func TestFrontendMayBindByRawLinesAlone(t *testing.T) {
	t.Parallel()
	spec := lb.FrontendSpec{Backend: "live", Natives: []string{"bind 10.0.0.1:443,:::444 ssl crt /x"}}
	f, err := spec.Parse("web")
	if err != nil || f.Spec().Bind != "" || f.Listeners() != 2 {
		t.Fatalf("%+v with %d listeners, %v", f, f.Listeners(), err)
	}
	if a, ok := f.Address(); !ok || a.String() != "10.0.0.1:443" {
		t.Errorf("its address is %s, %t", a, ok)
	}
	name := "web"
	spec.Register, spec.Natives = &name, []string{"bind unix@/run/x.sock"}
	if _, err := spec.Parse("web"); err == nil || !strings.Contains(err.Error(), "register") {
		t.Errorf("a frontend without a TCP address is registered: %v", err)
	}
	if _, err := (lb.FrontendSpec{Backend: "live", Natives: []string{"option httplog"}}).Parse("web"); err == nil {
		t.Error("a frontend without any address is taken")
	}
}

func TestRawBindsConflict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b    string // of raw lines
		overlap bool
	}{
		{"127.0.0.1:31443 ssl crt F", "127.0.0.1:31443 ssl crt F", true},
		{"127.0.0.1:31443", "localhost:31443 ssl crt F", true},
		{"*:443", "0.0.0.0:443 ssl crt F", true},
		{"*:443", "ipv4@:443", true},
		{"tcp4@*:443", ":443", true},
		{"*:8000-8010", "*:8005", true},
		{"*:8000-8010", "*:8010-8020", true},
		{"*:8000-8010", "*:8011-8020", false},
		{"[::]:443", ":::443", true},
		{"[::]:443", "ipv6@*:443", true},
		{"[::]:443 v4v6", "*:443", true},
		{"[::]:443 v4v6 v6only", "*:443", false},
		{"[::ffff:10.0.0.1]:80", "10.0.0.1:80", true},
		{"10.0.0.1:80,10.0.0.2:80", "10.0.0.2:80", true},
		{"*:443 interface eth0", "*:443 interface eth1", false},
		{"*:443 interface eth0", "*:443 interface eth0", true},
		{"quic4@*:443 ssl crt F", "*:443 ssl crt F", false},
		{"quic4@*:443 ssl crt F", "quic4@0.0.0.0:443 ssl crt F", true},
		{"unix@/run/x.sock", "/run//x.sock", true},
		{"abns@x", "abns@x", true},
		{"abns@x", "abns@y", false},
		{`"127.0.0.1":80`, "127.0.0.1:80", true},
		{"*:81", "127.0.0.1:81", false},
	} {
		for _, swapped := range []bool{false, true} {
			a, b := c.a, c.b
			if swapped {
				a, b = b, a
			}
			in, err := intent(t).Apply(lb.Edit{Frontend: rawFrontend(t, "one", "bind "+a)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = in.Apply(lb.Edit{Frontend: rawFrontend(t, "two", "bind "+b)})
			var conflict *lb.ConflictError
			if errors.As(err, &conflict) != c.overlap || !c.overlap && err != nil {
				t.Errorf("bind %s beside bind %s: %v", b, a, err)
			}
			if c.overlap && conflict != nil && (len(conflict.By) != 1 || conflict.By[0] != "frontend/one") {
				t.Errorf("in the way are %v", conflict.By)
			}
		}
	}
}

// rawFrontend has no address but those of its raw lines.
func rawFrontend(tb testing.TB, key string, natives ...string) *lb.Frontend {
	tb.Helper()
	f, err := lb.FrontendSpec{Backend: "live", Natives: natives}.Parse(lb.Name(key))
	if err != nil {
		tb.Fatal(err)
	}
	return &f
}

func TestTypedAndRawBindsConflict(t *testing.T) {
	t.Parallel()
	_, err := intent(t).Apply(lb.Edit{Frontend: rawFrontend(t, "x", "bind 0.0.0.0:80 ssl crt F")})
	if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.By[0] != "frontend/web" {
		t.Errorf("raw beside typed: %v", err)
	}
	in, err := intent(t).Apply(lb.Edit{Frontend: rawFrontend(t, "x", "bind 127.0.0.1:81-89")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = in.Apply(lb.Edit{Frontend: frontend(t, "y", `{"bind": "127.0.0.1:85", "backend": "live"}`)}); err == nil {
		t.Error("typed beside raw is taken")
	}
	if _, err = in.Apply(lb.Edit{Frontend: frontend(t, "y", `{"bind": "127.0.0.1:85 ssl crt F", "backend": "live"}`)}); err == nil {
		t.Error("an address with options beside raw is taken")
	}
	for _, spec := range []lb.FrontendSpec{
		{Bind: "*:90", Backend: "live", Natives: []string{"bind 0.0.0.0:90 ssl crt F"}},
		{Bind: "*:90 ssl crt F", Backend: "live", Natives: []string{"bind :90"}},
		{Backend: "live", Natives: []string{"bind *:90", "bind *:89-91"}},
	} {
		f, err := spec.Parse("z")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.CheckNew(); err == nil || !strings.Contains(err.Error(), "natives[") {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}
