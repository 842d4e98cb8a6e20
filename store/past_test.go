package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/store"
)

// TestEveryFormerIntentCanBeReadAgain makes and removes objects, and asks for each state
// that there has been.
func TestEveryFormerIntentCanBeReadAgain(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "db"), store.Options{MaxRevisions: 5})
	in, states := lb.Intent{}, []lb.Intent{{}}
	for i := range 9 {
		e := lb.Edit{Backend: &lb.Backend{Key: lb.Name(fmt.Sprintf("b%d", i%4)), Type: "static", Mode: "http", Balance: []string{"roundrobin", "leastconn"}[i/4%2]}}
		if i == 6 {
			e = lb.Edit{Delete: "backend/b1"}
		}
		next, err := in.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		rev, err := db.Commit(t.Context(), uint64(i), next, lb.Origin{Author: "ann", Cause: "test", Message: fmt.Sprint("step ", i), Time: time.Unix(int64(i), 0)})
		if err != nil {
			t.Fatal(err)
		}
		next.Revision = rev.Number
		in = next
		states = append(states, in)
	}
	for n, want := range states {
		got, err := db.IntentAt(t.Context(), uint64(n))
		if n < 4 { // 5 revisions are kept: the oldest state is the one before revision 5
			if !errors.As(err, new(*lb.NotFoundError)) {
				t.Errorf("revision %d: %v, want that it does not exist", n, err)
			}
			continue
		}
		if err != nil || got.Revision != uint64(n) || len(got.Changes(want)) > 0 {
			t.Errorf("revision %d: %v, got %+v, want %+v", n, err, got, want)
		}
	}
	if _, err := db.IntentAt(t.Context(), 10); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("a revision that is yet to come: %v", err)
	}
	rev, err := db.Revision(t.Context(), 7)
	if err != nil || rev.Number != 7 || rev.Message != "step 6" || rev.Changes[0].After != nil {
		t.Errorf("revision 7 is %+v, %v", rev, err)
	}
	for _, n := range []uint64{0, 2, 10} {
		if _, err := db.Revision(t.Context(), n); !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("revision %d: %v", n, err)
		}
	}
}

func TestTheNewestTextOfARevisionIsFound(t *testing.T) {
	db := fresh(t)
	for i, revision := range []uint64{1, 2, 2, 3} {
		r := lb.Recorded{Time: time.Unix(int64(i), 0), Revision: revision, Path: "reload", Fingerprint: strconv.Itoa(i)}
		if _, err := store.NewArchive(db).RecordConfig(t.Context(), r, []byte(fmt.Sprint("text ", i))); err != nil {
			t.Fatal(err)
		}
	}
	r, err := store.NewArchive(db).ConfigOf(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, text, err := store.NewArchive(db).ConfigText(t.Context(), r.Number); err != nil || r.Revision != 2 || string(text) != "text 2" {
		t.Errorf("got %+v with %q, %v", r, text, err)
	}
	if _, err := store.NewArchive(db).ConfigOf(t.Context(), 9); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("a revision without a text: %v", err)
	}
}

func TestHistoryIsBoundedByItsSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	const bound = 64 << 10
	db := open(t, path, store.Options{MaxRevisionBytes: bound})
	in := lb.Intent{}
	commit := func(i, size int) { // KB
		t.Helper()
		next, err := in.Apply(lb.Edit{Backend: &lb.Backend{
			Key: "b", Type: "static", Mode: "http", Balance: "roundrobin", Natives: slices.Repeat([]lb.RawLine{lb.RawLine("# " + strings.Repeat(string(rune('a'+i%26)), 1000))}, size),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Commit(t.Context(), uint64(i), next, lb.Origin{Time: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
		in = next
	}
	kept := func() int {
		t.Helper()
		list, err := db.Revisions(t.Context(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for i := range 40 { // each has the object before and after
		commit(i, 4)
	}
	if n := kept(); n < 6 || n > 8 {
		t.Errorf("%d revisions of 8 KB are kept in 64 KiB", n)
	}
	if err := db.Close(); err != nil { // what was counted goes on
		t.Fatal(err)
	}
	db = open(t, path, store.Options{MaxRevisionBytes: bound})
	commit(40, 2*bound/1000)
	if n := kept(); n != 1 {
		t.Errorf("%d revisions are kept beside one that is larger than the bound", n)
	}
	for i := 41; i < 45; i++ {
		commit(i, 1)
	}
	if n := kept(); n < 3 {
		t.Errorf("%d small revisions are kept after the large one", n)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, store.Options{}) // which examines the file
}
