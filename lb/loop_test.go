package lb_test

import (
	"errors"
	"strings"
	"testing"

	"thalassa/lb"
)

// What sends requests round for ever is refused, by whichever edit completes the circle.
func TestLoopsAreRefused(t *testing.T) {
	frontend := func(key, bind, backend string, natives ...lb.RawLine) lb.Edit {
		b, err := lb.ParseBind(bind)
		if err != nil {
			t.Fatal(err)
		}
		return lb.Edit{Frontend: &lb.Frontend{Key: lb.Name(key), Binds: []lb.Bind{b}, Backend: lb.Name(backend), Mode: "http", Natives: natives}}
	}
	backend := func(key, host string, port uint16, natives ...lb.RawLine) lb.Edit {
		return lb.Edit{Backend: &lb.Backend{Key: lb.Name(key), Type: "static", Mode: "http", Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "192.0.2.1", Port: 1}}, {HostPort: lb.HostPort{Host: lb.Host(host), Port: port}}}, Natives: natives}}
	}
	for name, c := range map[string]struct {
		edits []lb.Edit
		field string // of the last edit; empty: it is taken
	}{
		"its own address":           {[]lb.Edit{backend("b", "192.0.2.7", 80), frontend("f", "192.0.2.7:80", "b")}, "backend"},
		"all addresses":             {[]lb.Edit{backend("b", "127.0.0.1", 80), frontend("f", "*:80", "b")}, "backend"},
		"all addresses, another":    {[]lb.Edit{backend("b", "127.0.0.9", 80), frontend("f", "*:80", "b")}, "backend"},
		"six":                       {[]lb.Edit{backend("b", "::1", 80), frontend("f", "[::]:80", "b")}, "backend"},
		"a name":                    {[]lb.Edit{backend("b", "localhost", 80), frontend("f", "127.0.0.1:80", "b")}, "backend"},
		"a raw line":                {[]lb.Edit{backend("b", "127.0.0.1", 8080), frontend("f", "192.0.2.7:80", "b", "bind 127.0.0.1:8000-9000")}, "backend"},
		"the backend comes last":    {[]lb.Edit{backend("b", "127.0.0.1", 81), frontend("f", "*:80", "b"), backend("b", "127.0.0.1", 80)}, "members[1]"},
		"over another":              {[]lb.Edit{backend("b", "127.0.0.1", 81), backend("c", "127.0.0.1", 80), frontend("g", "*:81", "c"), frontend("f", "*:80", "b")}, "backend"},
		"over another, in the end":  {[]lb.Edit{backend("b", "127.0.0.1", 81), backend("c", "127.0.0.1", 82), frontend("g", "*:81", "c"), frontend("f", "*:80", "b"), backend("c", "127.0.0.1", 80)}, "members[1]"},
		"raw lines of the backend":  {[]lb.Edit{backend("b", "127.0.0.1", 80, "retries 3"), frontend("f", "*:80", "b")}, "backend"},
		"a chain":                   {[]lb.Edit{backend("b", "127.0.0.1", 81), backend("c", "192.0.2.1", 80), frontend("g", "*:81", "c"), frontend("f", "*:80", "b")}, ""},
		"another port":              {[]lb.Edit{backend("b", "127.0.0.1", 81), frontend("f", "*:80", "b")}, ""},
		"perhaps another machine":   {[]lb.Edit{backend("b", "192.0.2.7", 80), frontend("f", "*:80", "b")}, ""},
		"of another interface":      {[]lb.Edit{backend("b", "127.0.0.1", 82), frontend("f", "*:80", "b", "bind 127.0.0.1:82 interface eth7")}, ""},
		"datagrams":                 {[]lb.Edit{backend("b", "127.0.0.1", 82), frontend("f", "*:80", "b", "bind quic4@127.0.0.1:82")}, ""},
		"a rule may lead elsewhere": {[]lb.Edit{backend("b", "127.0.0.1", 80, "http-request set-header x y"), backend("c", "192.0.2.1", 80), frontend("f", "*:80", "b", "use_backend c if { hdr(x) y }")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := lb.Intent{}
			for i, e := range c.edits {
				next, err := in.Apply(e)
				if i < len(c.edits)-1 || c.field == "" {
					if err != nil {
						t.Fatalf("edit %d: %v", i, err)
					}
					in = next
					continue
				}
				invalid, ok := errors.AsType[*lb.InvalidError](err)
				if !ok || invalid.Fields[0].Path != c.field || !strings.Contains(err.Error(), "back") {
					t.Fatalf("%v, expected an error of %s", err, c.field)
				}
			}
		})
	}
}

// A loop that is stored does not stand in the way of other edits.
func TestLoopsThatWereThereBefore(t *testing.T) {
	bind, err := lb.ParseBind("*:80")
	if err != nil {
		t.Fatal(err)
	}
	in := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{"f": {Key: "f", Binds: []lb.Bind{bind}, Backend: "b", Mode: "http"}},
		Backends:  map[lb.Name]lb.Backend{"b": {Key: "b", Type: "static", Mode: "http", Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "127.0.0.1", Port: 80}}}}},
	}
	if _, err := in.Apply(lb.Edit{Backend: &lb.Backend{Key: "c", Type: "static", Mode: "http", Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "192.0.2.1", Port: 80}}}}}); err != nil {
		t.Error(err)
	}
}
