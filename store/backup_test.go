package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/backup"
	"thalassa/lb"
	"thalassa/stage"
	"thalassa/store"
	"thalassa/store/storetest"
	"thalassa/template"
)

// A state is what a test puts into a database and expects of its backup.
type state struct {
	intent  lb.Intent
	members []lb.Override
	drafts  []stage.Draft
}

// randomState has up to ten objects of each kind with settings of all sorts.
func randomState(t *testing.T, r *rand.Rand) state {
	t.Helper()
	chosen := func(from ...string) string { return from[r.IntN(len(from))] }
	in := lb.Intent{}
	var edits []lb.Edit
	var s state
	for i := range r.IntN(10) {
		spec := lb.BackendSpec{
			Type: chosen("static", "dynamic"), Mode: chosen("http", "tcp"), Balance: chosen("roundrobin", "leastconn", "source"),
			Natives: [][]string{nil, {"timeout server 30s", `http-response set-header X-A "é <b>"`}}[r.IntN(2)],
		}
		if spec.Mode == "tcp" {
			spec.Natives = nil
		}
		if spec.Type == "dynamic" {
			spec.Service, spec.Version = chosen("shop", "data"), chosen("1.0.0", "2.0.0+b~1")
		}
		for j := range r.IntN(4) {
			if spec.Type == "static" {
				member := lb.MemberSpec{Host: chosen("10.0.0.", "10.0.1.") + strconv.Itoa(j+1), Port: 1 + r.IntN(65535), Disabled: r.IntN(4) == 0}
				if weight := r.IntN(257); r.IntN(2) == 0 {
					member.Target, member.Weight = "t"+strconv.Itoa(j), &weight
				}
				spec.Members = append(spec.Members, member)
			}
		}
		if interval := int64(1000 + r.IntN(5000)); spec.Mode == "http" && r.IntN(2) == 0 {
			spec.Host, spec.Health = "shop.example", &lb.HealthSpec{Method: "GET", URI: "/up?q=<&>", Version: "HTTP/1.1", Interval: &interval}
		}
		b, err := spec.Parse(lb.Name("b" + strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, lb.Edit{Backend: &b})
		for _, m := range b.Members {
			if r.IntN(2) == 0 {
				s.members = append(s.members, lb.Override{
					Backend: b.Key, Member: m.HostPort, State: chosen("drain", "maint"), Weight: lb.Weighting{IsSet: true, Value: r.IntN(100), Percent: true},
					Until: time.Unix(int64(2e9+r.IntN(1e6)), 0).UTC(), Reason: "a new disk", Origin: lb.Origin{Author: "ann", Time: time.Unix(1, 0).UTC()},
				})
			}
		}
		if r.IntN(3) == 0 {
			continue
		}
		register := "front"
		f, err := lb.FrontendSpec{
			Bind: "*:" + strconv.Itoa(1000+i), Backend: string(b.Key), Mode: spec.Mode, Keepalive: chosen("default", "close"), Register: &register,
			Natives: [][]string{nil, {"maxconn 100"}}[r.IntN(2)],
		}.Parse(lb.Name("f" + strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, lb.Edit{Frontend: &f})
	}
	in, err := in.ApplyAll(edits)
	if err != nil {
		t.Fatal(err)
	}
	s.intent = in
	s.members = lb.NewOverrides(s.members).All()
	for i := range r.IntN(3) {
		d := stage.Draft{ID: "d" + strconv.Itoa(i), Origin: lb.Origin{Author: "bob", Message: "later", Time: time.Unix(5, 0).UTC()}, Changed: time.Unix(6, 0).UTC(), Objects: []stage.DraftObject{}}
		if d, err = d.With(in, []lb.Edit{{Backend: &lb.Backend{Key: "new", Type: "static", Mode: "http", Balance: "first"}}}, d.Changed); err != nil {
			t.Fatal(err)
		}
		s.drafts = append(s.drafts, d)
	}
	return s
}

// put stores a state in a database, as an agent would.
func (s state) put(t *testing.T, db *store.DB) {
	t.Helper()
	now, err := db.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next, err := stage.Changeset{Edits: stage.Towards(now, s.intent)}.Apply(now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Commit(t.Context(), now.Revision, next, lb.Origin{Time: time.Unix(9, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveOverrides(t.Context(), s.members); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.drafts {
		if _, err := store.NewDrafts(db).CreateDraft(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

func backupOf(t *testing.T, db *store.DB) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := store.NewBackups(db).WriteBackup(t.Context(), &out, backup.Header{Time: time.Unix(10, 0).UTC(), Program: "1.2.3", Node: "lb1"}, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rendered is haproxy.cfg of an intent.
func rendered(t *testing.T, in lb.Intent) string {
	t.Helper()
	out, err := template.Default().Render(lb.Resolve(in, lb.Snapshot{}, lb.Process{StatsSocket: "/run/stats.sock"}))
	if err != nil {
		t.Fatal(err)
	}
	return string(out.Bytes)
}

// TestABackupRestoresAnyState: backup, restore into an empty database, the same objects,
// settings of members, drafts and bytes of haproxy.cfg, and the same entries in a backup
// of that.
func TestABackupRestoresAnyState(t *testing.T) {
	t.Parallel()
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		want := randomState(t, rand.New(rand.NewPCG(seed, 15))) //nolint:gosec // to be repeated, not secret
		db := open(t, filepath.Join(t.TempDir(), "db"), store.Options{})
		want.put(t, db)
		first := backupOf(t, db)
		h, b, err := store.ReadBackup(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, first)
		}
		if h.Node != "lb1" || h.Revision != b.Intent.Revision || h.Version != backup.Version {
			t.Fatalf("header %+v", h)
		}
		got := state{b.Intent, b.Members, b.Drafts}
		empty := open(t, filepath.Join(t.TempDir(), "db"), store.Options{})
		got.put(t, empty)
		in, err := empty.Load(t.Context())
		if err != nil || len(in.Changes(want.intent)) > 0 || !reflect.DeepEqual(in.Frontends, cloneOf(want.intent.Frontends)) || !reflect.DeepEqual(in.Backends, cloneOf(want.intent.Backends)) {
			t.Fatalf("seed %d: %v, restored %+v\nwant %+v", seed, err, in, want.intent)
		}
		if a, b := rendered(t, in), rendered(t, want.intent); a != b {
			t.Fatalf("seed %d: haproxy.cfg differs:\n%s\nwant\n%s", seed, a, b)
		}
		if len(want.members) > 0 && !reflect.DeepEqual(b.Members, want.members) {
			t.Fatalf("seed %d: members %+v\nwant %+v", seed, b.Members, want.members)
		}
		if again := backupOf(t, empty); string(again) != string(first) {
			t.Fatalf("seed %d: the backup of what was restored is\n%s\nwant\n%s", seed, again, first)
		}
	}
}

func cloneOf[T any](m map[lb.Name]T) map[lb.Name]T {
	if m == nil {
		return map[lb.Name]T{}
	}
	return m
}

// sealed is a backup of these entries, whose digest is right.
func sealed(t *testing.T, list ...backup.Entry) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	if err := backup.Write(&out, backup.Header{}, list); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestABackupIsCheckedWholly: a backup with the right digest may be wrong all the same.
func TestABackupIsCheckedWholly(t *testing.T) {
	t.Parallel()
	entry := func(kind, id, doc string) backup.Entry { return backup.Entry{Kind: kind, ID: id, Doc: []byte(doc)} }
	const live = `{"type":"static","balance":"roundrobin","mode":"http","natives":[],"members":[{"host":"10.0.0.1","port":80}]}`
	sound := entry("object", "backend/live", strings.Replace(live, "{", `{"key":"live",`, 1))
	for want, list := range map[string][]backup.Entry{
		`object "backend/live".balance: `:                      {entry("object", "backend/live", strings.Replace(live, "roundrobin", "fair", 1))},
		`object "backend/live".members[0].port: `:              {entry("object", "backend/live", `{"key":"live",`+strings.Replace(live, ":80", ":0", 1)[1:])},
		`object "backend/live".members[0].rank: is not a fiel`: {entry("object", "backend/live", `{"key":"live",`+strings.Replace(live, `"port"`, `"rank":1,"port"`, 1)[1:])},
		`object "backend/live".shiny: is not a field`:          {entry("object", "backend/live", `{"shiny":1,`+live[1:])},
		`object "frontend/www".shiny: is not a field`:          {entry("object", "frontend/www", `{"shiny":1}`)},
		`object "backend/other": it holds another object`:      {entry("object", "backend/other", string(sound.Doc))},
		`object "cache/x": it is no frontend`:                  {entry("object", "cache/x", `{}`)},
		`www would route to nothing`:                           {entry("object", "frontend/www", `{"key":"www","bind":"*:80","backend":"gone","mode":"http","keepalive":"default","rules":[],"natives":[]}`)},
		`natives`:                                              {entry("object", "backend/live", `{"key":"live",`+strings.Replace(live, "[]", `["a\nb"]`, 1)[1:])},
		`token "x": is not known here`:                         {sound, entry("token", "x", `{}`)},
		`member "live/10.0.0.1:80".state`:                      {entry("member", "live/10.0.0.1:80", `{"backend":"live","host":"10.0.0.1","port":80,"state":"down","time":"2026-01-01T00:00:00Z"}`)},
		`is about another member, live/10.0.0.1:80`:            {entry("member", "live/10.0.0.2:80", `{"backend":"live","host":"10.0.0.1","port":80,"state":"drain","time":"2026-01-01T00:00:00Z"}`)},
		`member "x": json: unknown field "shiny"`:              {entry("member", "x", `{"shiny":1}`)},
		`draft "1": has the ID "2", expected "1"`:              {entry("draft", "1", `{"id":"2"}`)},
		`draft "1".backend/live.key: is missing`:               {entry("draft", "1", `{"id":"1","objects":[{"id":"backend/live","after":{"type":"none"}}]}`)},
		`draft "1": does not have its objects in the order`:    {entry("draft", "1", `{"id":"1","objects":[{"id":"b","after":null},{"id":"a","after":null}]}`)},
	} {
		_, b, err := store.ReadBackup(sealed(t, list...))
		if err == nil || !strings.Contains(err.Error(), want) || b.Intent.Backends != nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, _, err := store.ReadBackup(sealed(t, sound)); err != nil {
		t.Error(err)
	}
	var many []backup.Entry
	for i := range stage.MaxDrafts + 1 {
		many = append(many, entry("draft", strconv.Itoa(i), fmt.Sprintf(`{"id":"%d"}`, i)))
	}
	if _, _, err := store.ReadBackup(sealed(t, many...)); err == nil || !strings.Contains(err.Error(), "draft: there are 101, expected at most 100") {
		t.Error(err)
	}
}

// TestABackupIsOfOneMoment makes backups while others change two backends together.
func TestABackupIsOfOneMoment(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "db"), store.Options{})
	in := storetest.Sample("1")
	ended := make(chan error, 1)
	go func() {
		for n := range uint64(30) {
			for _, key := range []lb.Name{"live", "split"} {
				b := in.Backends[key]
				b.Host = "n" + strconv.FormatUint(n, 10) + ".example"
				in.Backends[key] = b
			}
			if _, err := db.Commit(t.Context(), n, in, lb.Origin{}); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for isOver := false; !isOver; {
		select {
		case err := <-ended:
			if isOver = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
		_, b, err := store.ReadBackup(bytes.NewReader(backupOf(t, db)))
		if err != nil || b.Intent.Backends["live"].Host != b.Intent.Backends["split"].Host {
			t.Fatalf("%v: %q and %q", err, b.Intent.Backends["live"].Host, b.Intent.Backends["split"].Host)
		}
	}
}
