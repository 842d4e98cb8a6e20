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
