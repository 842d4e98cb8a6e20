package lb_test

import (
	"testing"

	"thalassa/lb"
)

func TestUnresolvedNames(t *testing.T) {
	t.Parallel()
	in := lb.Intent{}
	for _, c := range []struct {
		natives []string
		members []string
		servers []string // that HAProxy cannot resolve
		empty   string
		text    string
	}{
		{nil, []string{"a.test:80", "10.0.0.1:80"}, []string{"a.test:80"}, "", "backend/live: HAProxy cannot resolve a.test, so these members get no requests"},
		{nil, []string{"b.test:80", "a.test:80", "a.test:81"}, []string{"a.test:80", "a.test:81", "b.test:80"}, "backend/live has no member: HAProxy cannot resolve the host names of its members: a.test, b.test", ""},
		{nil, []string{"a.test:80"}, []string{"gone.test:80"}, "", ""},
		{nil, []string{"10.0.0.1:80"}, []string{"10.0.0.1:80"}, "", ""},
		{[]string{"server x 10.0.0.2:80"}, []string{"a.test:80"}, []string{"a.test:80"}, "", "backend/live: HAProxy cannot resolve a.test, so these members get no requests"},
		{nil, []string{"a.test:1", "b.test:1", "c.test:1", "d.test:1", "e.test:1", "f.test:1", "10.0.0.1:1"}, []string{"a.test:1", "b.test:1", "c.test:1", "d.test:1", "e.test:1", "f.test:1"}, "", "backend/live: HAProxy cannot resolve a.test, b.test, c.test, d.test, e.test and 1 more, so these members get no requests"},
	} {
		p := lb.Populate(static(t, lb.BackendSpec{Natives: c.natives}, c.members...), lb.Snapshot{})
		e, isEmpty, text := in.Unresolved(p, c.servers)
		if isEmpty != (c.empty != "") || isEmpty && e.String() != c.empty || text != c.text {
			t.Errorf("%v: %q, %q", c.members, e, text)
		}
	}
}

func TestMembersWithoutARoute(t *testing.T) {
	t.Parallel()
	in := lb.Intent{}
	isRouted := func(h lb.Host) bool { return h != "2001:db8::1" && h != "2001:db8::2" }
	for _, c := range []struct {
		natives []string
		members []string
		empty   string
		text    string
	}{
		{nil, []string{"10.0.0.1:80", "a.test:80"}, "", ""},
		{nil, []string{"10.0.0.1:80", "[2001:db8::1]:80"}, "", "backend/live: this machine has no route to 2001:db8::1, so these members get no requests"},
		{nil, []string{"[2001:db8::2]:80", "[2001:db8::1]:80"}, "backend/live has no member: this machine has no route to its members: 2001:db8::1, 2001:db8::2", ""},
		{[]string{"server x 10.0.0.2:80"}, []string{"[2001:db8::1]:80"}, "", "backend/live: this machine has no route to 2001:db8::1, so these members get no requests"},
	} {
		p := lb.Populate(static(t, lb.BackendSpec{Natives: c.natives}, c.members...), lb.Snapshot{})
		e, isEmpty, text := in.Unrouted(p, isRouted)
		if isEmpty != (c.empty != "") || isEmpty && e.String() != c.empty || text != c.text {
			t.Errorf("%v: %q, %q", c.members, e, text)
		}
	}
	for line, want := range map[string]bool{
		"default-server namespace blue": true, "source 0.0.0.0 usesrc clientip": true, "default-server socks4 10.0.0.1:1080": true, "source 0.0.0.0 interface eth7": true, "option httpchk": false,
	} {
		if b := static(t, lb.BackendSpec{Natives: []string{line}}); b.IsElsewhere() != want {
			t.Errorf("%s: %t", line, !want)
		}
	}
}
