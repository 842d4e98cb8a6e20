package lb_test

import (
	"reflect"
	"slices"
	"testing"

	"thalassa/lb"
)

// ofKind is an object of a kind.
func ofKind(t *testing.T, k lb.Kind) lb.Object {
	t.Helper()
	o, ok := lb.ByKind[lb.Object](k,
		lb.Frontend{Key: "f", Mode: "http", Binds: []lb.Bind{{Port: 80}}},
		lb.Backend{Key: "b", Type: "static", Mode: "http"},
		lb.Section{Kind: "userlist", Name: "s"},
		lb.Certificate{Key: "c", Files: []lb.PEMFile{{Digest: "1"}}},
	)
	if !ok {
		t.Fatalf("%q is in Kinds and not in ByKind", k)
	}
	return o
}

func count(in lb.Intent) (n int) {
	for range in.Objects() {
		n++
	}
	return n
}

// Whatever handles objects handles each kind.
func TestEveryKind(t *testing.T) {
	for _, k := range lb.Kinds() {
		o := ofKind(t, k)
		if lb.KindOf(o.ID()) != k {
			t.Errorf("%s has the id %s", k, o.ID())
		}

		if got := lb.Match(o,
			func(lb.Frontend) lb.Kind { return lb.KindFrontend },
			func(lb.Backend) lb.Kind { return lb.KindBackend },
			func(lb.Section) lb.Kind { return lb.KindSection },
			func(lb.Certificate) lb.Kind { return lb.KindCertificate },
		); got != k {
			t.Errorf("Match takes a %s for a %q", k, got)
		}

		in := lb.NewIntent()
		in.Put(o)
		if !reflect.DeepEqual(in.Object(o.ID()), o) || count(in) != 1 {
			t.Errorf("%s: put and then found: %v among %d", k, in.Object(o.ID()), count(in))
		}
		var keys []string
		for key, each := range in.Objects() {
			if keys = append(keys, string(k)+"/"+key); !reflect.DeepEqual(each, o) {
				t.Errorf("%s: Objects has %v", k, each)
			}
		}
		if !slices.Equal(keys, []string{o.ID()}) {
			t.Errorf("%s: Objects has the keys %v", k, keys)
		}
		clone := in.Clone()
		if changes := lb.NewIntent().Changes(clone); len(changes) != 1 || !reflect.DeepEqual(changes[0], lb.ObjectChange{ID: o.ID(), After: o}) {
			t.Errorf("%s: Changes has %v", k, changes)
		}
		clone.Remove(o.ID())
		if count(clone) != 0 || count(in) != 1 {
			t.Errorf("%s: removed from a clone: %d objects are left, and %d where it came from", k, count(clone), count(in))
		}

		e := lb.EditOf(o)
		if !reflect.DeepEqual(e.Object(), o) || e.ID() != o.ID() {
			t.Errorf("%s: the edit of %v is about %s, %v", k, o, e.ID(), e.Object())
		}
		edited, err := lb.Intent{}.Apply(e)
		if err != nil || !reflect.DeepEqual(edited.Object(o.ID()), o) {
			t.Errorf("%s: the edit makes %v, %v", k, edited.Object(o.ID()), err)
		}
		if without, err := edited.Apply(lb.Edit{Delete: o.ID()}); err != nil || count(without) != 0 {
			t.Errorf("%s: %d objects after the removal, %v", k, count(without), err)
		}
	}
}

func TestNoKind(t *testing.T) {
	if _, ok := lb.ByKind("service", 1, 2, 3, 4); ok {
		t.Error("a service is an object")
	}
	if lb.Match(nil, func(lb.Frontend) int { return 1 }, nil, nil, nil) != 0 || lb.Match[int](lb.Backend{}, nil, nil, nil, nil) != 0 {
		t.Error("Match without a function has a result")
	}
	if in := lb.NewIntent(); in.Object("service/x") != nil || in.Object("") != nil || in.Object("frontend") != nil {
		t.Error("there is an object")
	}
}
