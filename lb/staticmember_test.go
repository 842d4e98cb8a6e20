package lb_test

import (
	"slices"
	"testing"

	"thalassa/lb"
)

// named parses a static backend.
func named(t *testing.T, members ...lb.MemberSpec) lb.Backend {
	t.Helper()
	b, err := lb.BackendSpec{Type: "static", Members: members, Natives: []string{"default-server weight 5"}}.Parse("p")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func apply(t *testing.T, in lb.Intent, e lb.Edit) lb.Intent {
	t.Helper()
	next, err := in.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestStaticMembersHaveWeightsAndStates(t *testing.T) {
	b := named(t,
		lb.MemberSpec{Host: "10.0.0.1", Port: 80, Target: "a", Weight: new(int)},
		lb.MemberSpec{Host: "10.0.0.2", Port: 80, Disabled: true},
		lb.MemberSpec{Host: "10.0.0.3", Port: 80},
	)
	got := lb.Populate(b, lb.Snapshot{}).Members
	if len(got) != 2 || got[0].Weight != 0 || got[1].Weight != 5 || got[1].Address.Host != "10.0.0.3" {
		t.Errorf("members %+v", got)
	}
	b.Disabled = true
	p := lb.Populate(b, lb.Snapshot{})
	if empty, isEmpty := (lb.Intent{}).Empty(p, lb.Snapshot{}); len(p.Members) != 0 || !isEmpty || empty.Reason != "it is disabled" {
		t.Errorf("members of a disabled backend %+v, %+v", p.Members, empty)
	}
}

// Who knows nothing of names leaves them.
func TestEditsKeepNames(t *testing.T) {
	b := named(t, lb.MemberSpec{Host: "10.0.0.1", Port: 80, Target: "a", Weight: new(int)}, lb.MemberSpec{Host: "10.0.0.2", Port: 80, Target: "b", Disabled: true})
	f, err := lb.FrontendSpec{Bind: "*:80,*:81", Endpoints: []lb.EndpointSpec{{"one", "*:80"}, {"two", "*:81"}}, Pools: []string{"p"}}.Parse("f")
	if err != nil {
		t.Fatal(err)
	}
	in := apply(t, apply(t, lb.Intent{}, lb.Edit{Backend: &b}), lb.Edit{Frontend: &f})
	other := named(t, lb.MemberSpec{Host: "10.0.0.2", Port: 80, Target: "a"}, lb.MemberSpec{Host: "10.0.0.1", Port: 80})
	plain, err := lb.FrontendSpec{Bind: "*:81,*:82", Backend: "p"}.Parse("f")
	if err != nil {
		t.Fatal(err)
	}
	kept := apply(t, apply(t, in, lb.Edit{Backend: &other, Keeps: true}), lb.Edit{Frontend: &plain, Keeps: true})
	if m := kept.Backends["p"].Members; m[0].Target != "a" || m[0].Disabled || m[1].Target != "" || !m[1].Weight.IsSet {
		t.Errorf("members %+v", m)
	}
	if g := kept.Frontends["f"]; len(g.Endpoints) != 1 || g.Endpoints[0].Name != "two" || !slices.Equal(g.Pools, []lb.Name{"p"}) {
		t.Errorf("frontend %+v", g)
	}
	if g := apply(t, in, lb.Edit{Frontend: &plain}).Frontends["f"]; g.IsGateway() || g.Pools != nil {
		t.Errorf("an edit that keeps nothing has kept %+v", g)
	}
}

func TestGatewaysMayBeUnfinished(t *testing.T) {
	f, err := lb.FrontendSpec{Endpoints: []lb.EndpointSpec{}}.Parse("f")
	if err != nil || !f.IsGateway() {
		t.Fatal(f, err)
	}
	in := apply(t, lb.Intent{}, lb.Edit{Frontend: &f})
	if config := lb.Resolve(in, lb.Snapshot{}, lb.Process{}); len(config.Frontends) != 0 {
		t.Errorf("HAProxy gets a frontend without an address: %+v", config.Frontends)
	}
	for _, s := range []lb.FrontendSpec{
		{Bind: "*:80"},
		{Bind: "*:80", Endpoints: []lb.EndpointSpec{{"a", "*:81"}}},
		{Bind: "*:80", Endpoints: []lb.EndpointSpec{{"a b", "*:80"}}},
		{Bind: "*:80,*:81", Endpoints: []lb.EndpointSpec{{"a", "*:80"}, {"a", "*:81"}}},
		{Bind: "*:80", Endpoints: []lb.EndpointSpec{}, Pools: []string{"a b"}},
	} {
		if got, err := s.Parse("f"); err == nil {
			t.Errorf("%+v is taken: %+v", s, got)
		}
	}
	stats, err := lb.FrontendSpec{Bind: "*:80", Natives: []string{"stats enable"}}.Parse("f")
	if err != nil || stats.Backend != "" {
		t.Errorf("a frontend with the statistics page needs a backend: %v", err)
	}
}
