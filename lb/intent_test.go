package lb_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"thalassa/lb"
)

// intent has two frontends that route to three of four backends.
func intent(tb testing.TB) lb.Intent {
	tb.Helper()
	in := lb.Intent{Revision: 7}
	for _, e := range []lb.Edit{
		{Backend: backend(tb, "live", `{"type": "dynamic", "name": "shop", "version": "1"}`)},
		{Backend: backend(tb, "api", `{"type": "static", "members": [{"host": "10.0.0.1", "port": 80}]}`)},
		{Backend: backend(tb, "raw", `{"type": "dynamic", "name": "queue", "version": "1", "mode": "tcp"}`)},
		{Backend: backend(tb, "idle", `{"type": "dynamic", "name": "shop", "version": "2"}`)},
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

func frontend(tb testing.TB, key, body string) *lb.Frontend {
	tb.Helper()
	f, err := lb.ParseFrontend(key, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return &f
}

func backend(tb testing.TB, key, body string) *lb.Backend {
	tb.Helper()
	b, err := lb.ParseBackend(key, []byte(body))
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
	tag := lb.ETag(before.Backends["live"])
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
		{"the tag it has", lb.Edit{Delete: "backend/idle", IfMatch: []string{`"x"`, lb.ETag(before.Backends["idle"])}}, nil, ""},
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
	one := lb.ETag(backend(t, "live", `{"type": "dynamic", "name": "shop", "version": "1"}`))
	if one != lb.ETag(backend(t, "live", `{"version": "1", "mode": "http", "name": "shop", "type": "dynamic", "natives": [], "members": []}`)) {
		t.Error("the same backend written in another way has another tag")
	}
	if len(one) != 18 || one[0] != '"' || one[17] != '"' {
		t.Errorf("tag %s", one)
	}
	tags := map[string]bool{one: true}
	for _, body := range []string{
		`{"type": "dynamic", "name": "shop", "version": "2"}`, `{"type": "dynamic", "name": "shop2", "version": "1"}`,
		`{"type": "dynamic", "name": "shop", "version": "1", "balance": "source"}`, `{"type": "static"}`,
		`{"type": "dynamic", "name": "shop", "version": "1", "health": {}}`, `{"type": "dynamic", "name": "shop", "version": "1", "natives": ["a"]}`,
	} {
		tag := lb.ETag(backend(t, "live", body))
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
	if after, err = after.Apply(lb.Edit{Backend: backend(t, "live", `{"type": "dynamic", "name": "shop", "version": "2"}`)}); err != nil {
		t.Fatal(err)
	}
	if after, err = after.Apply(lb.Edit{Frontend: frontend(t, "new", `{"bind": "*:1", "backend": "live"}`)}); err != nil {
		t.Fatal(err)
	}
	changes, err := before.Changes(after)
	if err != nil || len(changes) != 3 {
		t.Fatalf("%v, %v", changes, err)
	}
	for i, want := range []struct{ id, before, after string }{
		{"backend/idle", "backend/idle", "null"}, {"backend/live", "backend/live", "backend/live"}, {"frontend/new", "null", "frontend/new"},
	} {
		c := changes[i]
		if c.ID != want.id || idOf(t, c.Before) != want.before || idOf(t, c.After) != want.after {
			t.Errorf("%s: %s → %s, want %v", c.ID, c.Before, c.After, want)
		}
	}
	if none, err := before.Changes(before); err != nil || len(none) != 0 {
		t.Errorf("from an intent to itself: %v, %v", none, err)
	}
}

// idOf gives the id in a document, or "null".
func idOf(t *testing.T, doc json.RawMessage) string {
	t.Helper()
	var object *struct{ ID string }
	if err := json.Unmarshal(doc, &object); err != nil {
		t.Fatal(err)
	}
	if object == nil {
		return "null"
	}
	return object.ID
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	in := intent(t)
	in.Frontends["full"] = *frontend(t, "full", `{"bind": "[::1]:80,example.org:81", "keepalive": "server-close", "natives": ["# it's"], "register": {"name": "edge"},
		"rules": [{"type": "header", "header": "Host", "operation": "hdr_reg", "value": "^a\\.b$ \"c\"", "backend": "api"}]}`)
	in.Backends["full"] = *backend(t, "full", `{"type": "static", "host": "a", "health": {"interval": 5}, "natives": ["x", "y"], "members": [{"host": "::1", "port": 1}, {"host": "a.b", "port": 2}]}`)
	for _, f := range in.Frontends {
		var again lb.Frontend
		data, err := json.Marshal(f)
		if err != nil || json.Unmarshal(data, &again) != nil || !reflect.DeepEqual(f, again) {
			t.Errorf("%v: %s\n%+v\n%+v", err, data, f, again)
		}
		if parsed, err := lb.ParseFrontend(string(f.Key), data); err != nil || !reflect.DeepEqual(f, parsed) {
			t.Errorf("%v: %s\n%+v\n%+v", err, data, f, parsed)
		}
	}
	for _, b := range in.Backends {
		var again lb.Backend
		data, err := json.Marshal(b)
		if err != nil || json.Unmarshal(data, &again) != nil || !reflect.DeepEqual(b, again) {
			t.Errorf("%v: %s\n%+v\n%+v", err, data, b, again)
		}
		// What a listing shows, members of Consul included, can be put back.
		shown, err := json.Marshal(lb.Populate(b, snapshot()))
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := lb.ParseBackend(string(b.Key), shown); err != nil || !reflect.DeepEqual(b, parsed) {
			t.Errorf("%v: %s\n%+v\n%+v", err, shown, b, parsed)
		}
	}
}

// TestFilesAreReadLeniently: a file may hold fields of another version, but no
// value that the API would not take.
func TestFilesAreReadLeniently(t *testing.T) {
	t.Parallel()
	var f lb.Frontend
	if err := json.Unmarshal([]byte(`{"key": "web", "bind": "*:80", "backend": "a", "color": "red"}`), &f); err != nil || f.Key != "web" {
		t.Errorf("%+v, %v", f, err)
	}
	if err := json.Unmarshal([]byte(`{"id": "frontend/web", "bind": "*:80", "backend": "a"}`), &f); err != nil || f.Key != "web" {
		t.Errorf("%+v, %v", f, err)
	}
	err := json.Unmarshal([]byte(`{"key": "web", "bind": "*:80", "backend": "a", "natives": ["a\nb", 1]}`), &f)
	if !slices.Equal(paths(err), []string{"natives[1]"}) {
		t.Errorf("%v", err)
	}
	err = json.Unmarshal([]byte(`{"key": "web", "bind": "*:80", "backend": "a", "natives": ["a\nb"]}`), &f)
	if !slices.Equal(paths(err), []string{"natives[0]"}) {
		t.Errorf("%v", err)
	}
	var b lb.Backend
	err = json.Unmarshal([]byte(`{"key": "live", "type": "static", "natives": ["backend x"], "size": 1}`), &b)
	if !slices.Equal(paths(err), []string{"natives[0]"}) {
		t.Errorf("%v", err)
	}
}

func TestAppliedJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(lb.Applied{Applied: true, Path: "reload", Duration: 1500 * time.Microsecond, Revision: 3})
	if want := `{"applied":true,"path":"reload","revision":3,"durationMs":1.5}`; err != nil || string(data) != want {
		t.Errorf("%s, %v, want %s", data, err, want)
	}
}
