package lb_test

import (
	"errors"
	"testing"
	"time"

	"thalassa/lb"
)

func dynamic(key lb.Name, version lb.Version) lb.Backend {
	return lb.Backend{Key: key, Type: "dynamic", Service: "shop", Version: version, Mode: "http"}
}

func split(t *testing.T, text string) lb.Split {
	t.Helper()
	s, err := lb.ParseSplit(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEmptyBackends(t *testing.T) {
	in := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{"www": {Key: "www", Mode: "http", Backend: "live"}},
		Backends:  map[lb.Name]lb.Backend{},
	}
	snap := lb.Snapshot{
		Services: map[lb.Name]lb.Service{"shop": {Name: "shop", Instances: []lb.Instance{
			{ID: "a", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Version: "1", Healthy: true, Weight: 1},
		}}},
		Unanswered: map[lb.Name]string{"gone": "connection refused"},
	}
	for name, c := range map[string]struct {
		backend lb.Backend
		want    string // empty: it is not empty
	}{
		"has a member":        {dynamic("live", "1"), ""},
		"no healthy instance": {dynamic("live", "2"), "backend/live has no member: version 2 of service shop has no healthy instance; Consul knows 1 (1 of 1 healthy)"},
		"two versions": {
			lb.Backend{Key: "b", Type: "dynamic", Service: "shop", Versions: split(t, "2=1,3=1,4=0")},
			"backend/b has no member: versions 2 and 3 of service shop have no healthy instance; Consul knows 1 (1 of 1 healthy)",
		},
		"Consul is silent":          {lb.Backend{Key: "b", Type: "dynamic", Service: "gone", Version: "1"}, "backend/b has no member: Consul has not answered about service gone yet; connection refused"},
		"lists none":                {lb.Backend{Key: "b", Type: "static"}, "backend/b has no member: it lists none"},
		"a server of its own":       {lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"server x 10.0.0.9:80"}}, ""},
		"answers itself":            {lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"http-request return status 200"}}, ""},
		"redirects":                 {lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"http-request redirect location /x"}}, ""},
		"answers some of them":      {lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"http-request deny if { path /x }"}}, "backend/b has no member: it lists none"},
		"a line that answers not":   {lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"timeout server 5s", "default-server weight 1"}}, "backend/b has no member: it lists none"},
		"tcp requests are rejected": {lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"tcp-request content reject"}}, ""},
	} {
		e, isEmpty := in.Empty(lb.Populate(c.backend, snap), snap)
		if got := e.String(); isEmpty != (c.want != "") || isEmpty && got != c.want {
			t.Errorf("%s: %v %q, want %q", name, isEmpty, got, c.want)
		}
	}
	e, _ := in.Empty(lb.Populate(dynamic("live", "2"), snap), snap)
	if len(e.RoutedBy) != 1 || e.RoutedBy[0] != "frontend/www" {
		t.Errorf("routed by %q", e.RoutedBy)
	}
}

func TestEditsThatNeedHealthyInstances(t *testing.T) {
	in := lb.Intent{
		Frontends: map[lb.Name]lb.Frontend{
			"www": {Key: "www", Mode: "http", Backend: "live"},
			"raw": {Key: "raw", Mode: "http", Natives: []lb.RawLine{"use_backend rawly if { path /x }"}},
		},
		Backends: map[lb.Name]lb.Backend{
			"live": dynamic("live", "1"), "rawly": dynamic("rawly", "1"), "idle": dynamic("idle", "1"), "list": {Key: "list", Type: "static"},
		},
	}
	other := dynamic("live", "1")
	other.Service = "blog"
	tuned := dynamic("live", "1")
	tuned.Balance = "leastconn"
	static := lb.Backend{Key: "live", Type: "static"}
	sameSplit := dynamic("live", "")
	sameSplit.Versions = split(t, "1=100")
	for name, c := range map[string]struct {
		edit lb.Edit
		want bool
	}{
		"another version":              {lb.Edit{Backend: new(dynamic("live", "2"))}, true},
		"another service":              {lb.Edit{Backend: &other}, true},
		"routed to by a raw line":      {lb.Edit{Backend: new(dynamic("rawly", "2"))}, true},
		"forced":                       {lb.Edit{Backend: new(dynamic("live", "2")), Force: true}, false},
		"only an option":               {lb.Edit{Backend: &tuned}, false},
		"the same in other words":      {lb.Edit{Backend: &sameSplit}, false},
		"no frontend leads there":      {lb.Edit{Backend: new(dynamic("idle", "2"))}, false},
		"static":                       {lb.Edit{Backend: &static}, false},
		"new":                          {lb.Edit{Backend: new(dynamic("new", "2"))}, false},
		"a frontend":                   {lb.Edit{Frontend: &lb.Frontend{Key: "www", Backend: "idle"}}, false},
		"a removal":                    {lb.Edit{Delete: "backend/idle"}, false},
		"static before, dynamic after": {lb.Edit{Backend: new(dynamic("list", "2"))}, false},
	} {
		if got := len(in.NeedHealthy([]lb.Edit{c.edit})) > 0; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	in.Frontends["www"] = lb.Frontend{Key: "www", Mode: "http", Backend: "list"}
	if len(in.NeedHealthy([]lb.Edit{{Backend: new(dynamic("list", "2"))}})) == 0 {
		t.Error("a static backend becomes dynamic, and needs no instance")
	}
}

func TestHealthIsCheckedWithTheTimeOfTheWait(t *testing.T) {
	s := lb.Service{Name: "shop"}
	err := s.CheckHealthy(dynamic("live", "2"), time.Second)
	conflict := (*lb.ConflictError)(nil)
	if want := "version 2 of service shop has no healthy instance after 1s; Consul knows no instance of that service"; !errors.As(err, &conflict) || conflict.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
}
