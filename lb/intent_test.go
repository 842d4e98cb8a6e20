package lb_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"

	"thalassa/lb"
)

// intent has two frontends that route to three of four backends.
func intent(tb testing.TB) lb.Intent {
	tb.Helper()
	in := lb.Intent{Revision: 7}
	for _, e := range []lb.Edit{
		{Backend: backend(tb, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`)},
		{Backend: backend(tb, "api", `{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}]}`)},
		{Backend: backend(tb, "raw", `{"type": "dynamic", "service": "queue", "version": "1", "mode": "tcp"}`)},
		{Backend: backend(tb, "idle", `{"type": "dynamic", "service": "shop", "version": "2"}`)},
		{Frontend: frontend(tb, "web", `{"bind": "*:80", "backend": "live", "rules": [{"type": "path", "operation": "path", "value": "/", "backend": "api"}]}`)},
		{Frontend: frontend(tb, "queue", `{"bind": "*:5672", "backend": "raw", "mode": "tcp"}`)},
	} {
		var err error
		if in, err = in.Apply(e); err != nil {
			tb.Fatal(err)
		}
	}
	return in
}

// frontend makes one of the fields of lb.FrontendSpec as JSON.
func frontend(tb testing.TB, key, body string) *lb.Frontend {
	tb.Helper()
	var spec lb.FrontendSpec
	if err := json.Unmarshal([]byte(body), &spec); err != nil {
		tb.Fatal(err)
	}
	f, err := spec.Parse(lb.Name(key))
	if err != nil {
		tb.Fatal(err)
	}
	return &f
}

// backend makes one of the fields of lb.BackendSpec as JSON.
func backend(tb testing.TB, key, body string) *lb.Backend {
	tb.Helper()
	var spec lb.BackendSpec
	if err := json.Unmarshal([]byte(body), &spec); err != nil {
		tb.Fatal(err)
	}
	b, err := spec.Parse(lb.Name(key))
	if err != nil {
		tb.Fatal(err)
	}
	return &b
}

func TestIntentLists(t *testing.T) {
	t.Parallel()
	in := intent(t)
	if got := in.Services(); !slices.Equal(got, []lb.Name{"queue", "shop"}) {
		t.Errorf("services %v", got)
	}
	for key, want := range map[lb.Name][]string{"live": {"frontend/web"}, "api": {"frontend/web"}, "raw": {"frontend/queue"}, "idle": nil} {
		if got := in.RoutedBy(key); !slices.Equal(got, want) {
			t.Errorf("%s is routed by %v, want %v", key, got, want)
		}
	}
	keys := make([]lb.Name, 0, 6)
	for _, f := range in.SortedFrontends() {
		keys = append(keys, f.Key)
	}
	for _, b := range in.SortedBackends() {
		keys = append(keys, b.Key)
	}
	if want := []lb.Name{"queue", "web", "api", "idle", "live", "raw"}; !slices.Equal(keys, want) {
		t.Errorf("order %v, want %v", keys, want)
	}
	for id, want := range map[string]bool{
		"frontend/web": true, "backend/live": true, "frontend/live": false, "backend/web": false, "live": false, "": false, "backend/": false,
		"backend/live/x": false, "x/live": false,
	} {
		if got := in.Object(id) != nil; got != want {
			t.Errorf("Object(%q) is there: %v", id, got)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	before := intent(t)
	tag := before.Backends["live"].ETag()
	for _, c := range []struct {
		name string
		edit lb.Edit
		want any // type of the error
		text string
	}{
		{"create", lb.Edit{Backend: backend(t, "new", `{"type": "static"}`)}, nil, ""},
		{"replace", lb.Edit{Backend: backend(t, "live", `{"type": "static"}`)}, nil, ""},
		{"delete what nobody uses", lb.Edit{Delete: "backend/idle"}, nil, ""},
		{"delete a frontend", lb.Edit{Delete: "frontend/web"}, nil, ""},
		{"delete what is not there", lb.Edit{Delete: "backend/nope"}, &lb.NotFoundError{}, "backend/nope does not exist"},
		{"delete the other kind", lb.Edit{Delete: "frontend/live"}, &lb.NotFoundError{}, "frontend/live does not exist"},
		{"delete nothing", lb.Edit{}, &lb.NotFoundError{}, " does not exist"},
		{"delete a default backend", lb.Edit{Delete: "backend/live"}, &lb.ConflictError{}, "backend/live: is still routed to by frontend/web"},
		{"delete a rule's backend", lb.Edit{Delete: "backend/api"}, &lb.ConflictError{}, "backend/api: is still routed to by frontend/web"},
		{
			"bind what is bound",
			lb.Edit{Frontend: frontend(t, "zweb", `{"bind": "*:81, *:80", "backend": "live"}`)},
			&lb.ConflictError{}, "frontend/zweb: *:80 is bound by frontend/web already",
		},
		{
			"bind what is bound under another name",
			lb.Edit{Frontend: frontend(t, "zweb", `{"bind": "0.0.0.0:80", "backend": "live"}`)},
			&lb.ConflictError{}, "frontend/zweb: 0.0.0.0:80 is bound by frontend/web already",
		},
		{"bind an address under both names", lb.Edit{Frontend: frontend(t, "zweb", `{"bind": "*:82,0.0.0.0:82", "backend": "live"}`)}, nil, ""},
		{"bind every IPv6 address of the port", lb.Edit{Frontend: frontend(t, "zweb", `{"bind": "[::]:80", "backend": "live"}`)}, nil, ""},
		{"bind another address of the port", lb.Edit{Frontend: frontend(t, "zweb", `{"bind": "127.0.0.1:80", "backend": "live"}`)}, nil, ""},
		{
			"route to nothing",
			lb.Edit{Frontend: frontend(t, "web", `{"bind": "*:80", "backend": "nope"}`)},
			&lb.InvalidError{}, `backend: "nope" is not a backend (frontend/web would route to nothing), expected the key of a backend that exists`,
		},
		{
			"a rule to nothing",
			lb.Edit{Frontend: frontend(t, "web", `{"bind": "*:80", "rules": [
				{"type": "path", "operation": "path", "value": "/", "backend": "api"}, {"type": "path", "operation": "path", "value": "/", "backend": "nope"}]}`)},
			&lb.InvalidError{}, `rules[1].backend: "nope" is not a backend (frontend/web would route to nothing), expected the key of a backend that exists`,
		},
		{"http to tcp", lb.Edit{Frontend: frontend(t, "web", `{"bind": "*:80", "backend": "raw"}`)}, &lb.InvalidError{}, "backend: backend/raw is in mode tcp and frontend/web in mode http, expected a backend in mode http"},
		{"tcp to http", lb.Edit{Frontend: frontend(t, "queue", `{"bind": "*:1", "mode": "tcp", "backend": "live"}`)}, &lb.InvalidError{}, "backend: backend/live is in mode http and frontend/queue in mode tcp, expected a backend in mode tcp"},
		{"a backend changes its mode", lb.Edit{Backend: backend(t, "live", `{"type": "static", "mode": "tcp"}`)}, &lb.InvalidError{}, "backend: backend/live is in mode tcp and frontend/web in mode http, expected a backend in mode http"},
		{"the tag it has", lb.Edit{Delete: "backend/idle", IfMatch: []string{`"x"`, before.Backends["idle"].ETag()}}, nil, ""},
		{"any tag", lb.Edit{Delete: "backend/idle", IfMatch: []string{"*"}}, nil, ""},
		{"another tag", lb.Edit{Backend: backend(t, "live", `{"type": "static"}`), IfMatch: []string{`"x"`}}, &lb.PreconditionError{}, "backend/live has changed: its entity tag is now " + tag},
		{"any tag of nothing", lb.Edit{Backend: backend(t, "new", `{"type": "static"}`), IfMatch: []string{"*"}}, &lb.PreconditionError{}, "backend/new does not exist, so the precondition does not hold"},
		{"create only", lb.Edit{Backend: backend(t, "new", `{"type": "static"}`), IfNoneMatch: true}, nil, ""},
		{"create only, but there", lb.Edit{Backend: backend(t, "live", `{"type": "static"}`), IfNoneMatch: true}, &lb.PreconditionError{}, "backend/live has changed: its entity tag is now " + tag},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			after, err := before.Apply(c.edit)
			if reflect.TypeOf(err) != reflect.TypeOf(c.want) || err != nil && err.Error() != c.text {
				t.Fatalf("got %T %v, want %T %s", err, err, c.want, c.text)
			}
			if err == nil && (after.Object(c.edit.ID()) == nil) != (c.edit.Delete != "") {
				t.Errorf("%s is there: %v", c.edit.ID(), after.Object(c.edit.ID()) != nil)
			}
			if err == nil && after.Revision != before.Revision {
				t.Errorf("revision %d", after.Revision)
			}
		})
	}
	t.Cleanup(func() {
		if !reflect.DeepEqual(before, intent(t)) {
			t.Error("Apply changed the intent it was called on")
		}
	})
	var conflict *lb.ConflictError
	if _, err := before.Apply(lb.Edit{Delete: "backend/raw"}); !errors.As(err, &conflict) || !slices.Equal(conflict.By, []string{"frontend/queue"}) {
		t.Errorf("the conflict names %+v", conflict)
	}
}

func TestSameBind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"*:80", "0.0.0.0:80", true},
		{"10.0.0.1:80", "[::ffff:10.0.0.1]:80", true},
		{"Example.org:80", "example.org:80", true},
		{"*:80", "[::]:80", false},
		{"*:80", "*:81", false},
		{"*:80", "127.0.0.1:80", false},
	} {
		a, errA := lb.ParseBind(c.a)
		b, errB := lb.ParseBind(c.b)
		if err := errors.Join(errA, errB); err != nil || a.Same(b) != c.same || b.Same(a) != c.same {
			t.Errorf("%s and %s: %t, %v", c.a, c.b, a.Same(b), err)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	f := lb.Frontend{Backend: "a", Rules: []lb.Rule{{Backend: "b"}, {Backend: "a"}, {Backend: "b"}}}
	if got := f.Targets(); !slices.Equal(got, []lb.Name{"b", "a"}) {
		t.Errorf("targets %v", got)
	}
	f = lb.Frontend{Backend: "z", Rules: []lb.Rule{{Backend: "b"}}}
	if got := f.Targets(); !slices.Equal(got, []lb.Name{"b", "z"}) {
		t.Errorf("targets %v", got)
	}
	if got := (lb.Frontend{}).Targets(); len(got) != 0 {
		t.Errorf("targets %v", got)
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	one := backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "1"}`).ETag()
	if one != backend(t, "live", `{"version": "1", "mode": "http", "service": "shop", "type": "dynamic", "natives": [], "members": []}`).ETag() {
		t.Error("the same backend written in another way has another tag")
	}
	if len(one) != 18 || one[0] != '"' || one[17] != '"' {
		t.Errorf("tag %s", one)
	}
	tags := map[string]bool{one: true}
	for _, body := range []string{
		`{"type": "dynamic", "service": "shop", "version": "2"}`, `{"type": "dynamic", "service": "shop2", "version": "1"}`,
		`{"type": "dynamic", "service": "shop", "version": "1", "balance": "source"}`, `{"type": "static"}`,
		`{"type": "dynamic", "service": "shop", "version": "1", "health": {}}`, `{"type": "dynamic", "service": "shop", "version": "1", "natives": ["a"]}`,
	} {
		tag := backend(t, "live", body).ETag()
		if tags[tag] {
			t.Errorf("%s has the tag of another one", body)
		}
		tags[tag] = true
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	before := intent(t)
	after, err := before.Apply(lb.Edit{Delete: "backend/idle"})
	if err != nil {
		t.Fatal(err)
	}
	if after, err = after.Apply(lb.Edit{Backend: backend(t, "live", `{"type": "dynamic", "service": "shop", "version": "2"}`)}); err != nil {
		t.Fatal(err)
	}
	if after, err = after.Apply(lb.Edit{Frontend: frontend(t, "new", `{"bind": "*:1", "backend": "live"}`)}); err != nil {
		t.Fatal(err)
	}
	changes := before.Changes(after)
	if len(changes) != 3 {
		t.Fatalf("%v", changes)
	}
	for i, want := range []struct{ id, before, after string }{
		{"backend/idle", "backend/idle", "null"}, {"backend/live", "backend/live", "backend/live"}, {"frontend/new", "null", "frontend/new"},
	} {
		c := changes[i]
		if c.ID != want.id || idOf(c.Before) != want.before || idOf(c.After) != want.after {
			t.Errorf("%s: %s → %s, want %v", c.ID, c.Before, c.After, want)
		}
	}
	if none := before.Changes(before); len(none) != 0 {
		t.Errorf("from an intent to itself: %v", none)
	}
}

// idOf gives the id of an object, or "null".
func idOf(o lb.Object) string {
	if o == nil {
		return "null"
	}
	return o.ID()
}
