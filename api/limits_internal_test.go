package api

import (
	"errors"
	"net/http"
	"testing"

	"thalassa/auth"
	"thalassa/lb"
)

// Whoever is limited to objects neither creates, changes nor removes any other object, of
// whatever kind, and no raw section at all.
func TestLimitsOfEveryKind(t *testing.T) {
	grant, err := auth.NewGrant(auth.Admin, []string{"frontend/shop-*", "backend/shop-*", "certificate/shop-*"}, true)
	if err != nil {
		t.Fatal(err)
	}
	l := limits{grant, auth.Admin}
	objects := func(k lb.Kind, key lb.Name) (a, b lb.Object) {
		pair, ok := lb.ByKind(k,
			[2]lb.Object{lb.Frontend{Key: key, Mode: "http"}, lb.Frontend{Key: key, Mode: "tcp"}},
			[2]lb.Object{lb.Backend{Key: key, Mode: "http"}, lb.Backend{Key: key, Mode: "tcp"}},
			[2]lb.Object{lb.Section{Kind: "userlist", Name: key}, lb.Section{Kind: "userlist", Name: key, Natives: []lb.RawLine{"user ann"}}},
			[2]lb.Object{lb.Certificate{Key: key}, lb.Certificate{Key: key, Authority: true}},
		)
		if !ok {
			t.Fatalf("%q is not in ByKind", k)
		}
		return pair[0], pair[1]
	}
	for _, k := range lb.Kinds() {
		for _, key := range []lb.Name{"shop-own", "zebra"} {
			isOwn := key == "shop-own" && k != lb.KindSection
			a, b := objects(k, key)
			none, one, other := lb.NewIntent(), lb.NewIntent(), lb.NewIntent()
			one.Put(a)
			other.Put(b)
			for name, c := range map[string][2]lb.Intent{"creates": {none, one}, "changes": {one, other}, "removes": {one, none}} {
				err := l.judge(c[0], c[1])
				refusal, _ := errors.AsType[*ResponseError](err)
				if isOwn != (err == nil) || !isOwn && (refusal == nil || refusal.Status != http.StatusForbidden) {
					t.Errorf("%s %s: %v", name, a.ID(), err)
				}
			}
		}
	}
}
