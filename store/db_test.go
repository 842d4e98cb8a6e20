package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/activity"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/store"
	"thalassa/store/storetest"
)

// open opens the store at path, which is closed when the test ends.
func open(t *testing.T, path string, o store.Options) *store.DB {
	t.Helper()
	o.Logger = testkit.Logger(t)
	db, err := store.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func fresh(t *testing.T) *store.DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "store.db"), store.Options{})
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		return fresh(t)
	})
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "store.db")
	db := open(t, path, store.Options{})
	mode := func(path string) fs.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if m := mode(path); m != 0o600 {
		t.Errorf("the file has mode %o", m)
	}
	if m := mode(dir); m&^0o750 != 0 {
		t.Errorf("the directory has mode %o", m)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("something lies beside the store: %v %v", entries, err)
	}
	// One that somebody opened up is closed again.
	if err := errors.Join(db.Close(), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	open(t, path, store.Options{})
	if m := mode(path); m != 0o600 {
		t.Errorf("the file has mode %o after opening it again", m)
	}
}

func TestEmptyFileIsNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	// Both are what a crash at creation leaves.
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.WriteFile(path+".new", []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, store.Options{})
	if in, err := db.Load(t.Context()); err != nil || in.Revision != 0 {
		t.Fatalf("revision %d: %v", in.Revision, err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the half store is still there: %v", err)
	}
}

func TestReopened(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	if s, err := db.LoadSnapshot(ctx); err != nil || len(s.Services) != 0 {
		t.Fatalf("a new store has a snapshot: %+v, %v", s, err)
	}
	if _, err := db.Commit(ctx, 0, storetest.Sample("1"), lb.Origin{Author: "operator"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.AppendEvents(ctx, events(1, 3)), db.SaveSnapshot(ctx, sampleSnapshot())); err != nil {
		t.Fatal(err)
	}
	before, _, err := read(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	after, snapshotErr, err := read(ctx, open(t, path, store.Options{}))
	if err := errors.Join(err, snapshotErr); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, after) || !reflect.DeepEqual(after.Snapshot, sampleSnapshot()) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	cmd := child(t, "holder", path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_, err = store.Open(path, store.Options{Timeout: 50 * time.Millisecond})
	var locked *store.LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("while another process has it open: %v", err)
	}
	// Whoever waits long enough gets it.
	opened := make(chan error, 1)
	go func() {
		db, err := store.Open(path, store.Options{Timeout: time.Minute})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	if err := errors.Join(stdin.Close(), cmd.Wait(), <-opened); err != nil {
		t.Error(err)
	}
	if files, err := filepath.Glob(path + "?*"); err != nil || len(files) > 0 {
		t.Errorf("the lock cost the store: %v %v", files, err)
	}
}

// TestOpenedByManyAtOnce creates the store from many sides; one after the other
// gets it, and none makes it anew.
func TestOpenedByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	const openers = 8
	done := make(chan error, openers)
	for range openers {
		go func() {
			done <- func() error {
				db, err := store.Open(path, store.Options{Timeout: time.Minute})
				if err != nil {
					return err
				}
				defer db.Close()
				in, err := db.Load(t.Context())
				if err != nil {
					return err
				}
				_, err = db.Commit(t.Context(), in.Revision, storetest.Sample(strconv.FormatUint(in.Revision, 10)), lb.Origin{})
				return err
			}()
		}()
	}
	for range openers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if in, err := open(t, path, store.Options{}).Load(t.Context()); err != nil || in.Revision != openers {
		t.Errorf("revision %d: %v", in.Revision, err)
	}
}

// TestOrdinaryErrorsSetNothingAside names what is no damage.
func TestOrdinaryErrorsSetNothingAside(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"a directory": dir, "below a file": filepath.Join(file, "store.db")}
	if os.Getuid() != 0 { // root may everything
		secret := filepath.Join(t.TempDir(), "secret.db")
		if err := os.WriteFile(secret, []byte("not yours"), 0o000); err != nil {
			t.Fatal(err)
		}
		paths["a file that is not ours"] = secret
	}
	for name, path := range paths {
		_, err := store.Open(path, store.Options{})
		var damaged *store.DamagedError
		if err == nil || errors.As(err, &damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*damaged*")); err != nil || len(files) > 0 {
		t.Errorf("set aside: %v %v", files, err)
	}
}

func TestNewerSchema(t *testing.T) {
	file, expected := sampleStore(t)
	newer := edited(t, file, func(tx *bbolt.Tx) error {
		// Nobody knows what it will look like.
		inner, err := tx.Bucket([]byte("objects")).CreateBucket([]byte("inner"))
		if err == nil {
			err = inner.Put([]byte("big"), make([]byte, 3*os.Getpagesize()))
		}
		return errors.Join(err, tx.DeleteBucket([]byte("events")), store.PutSchema(3)(tx))
	})
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(path, store.Options{})
	var schema *store.SchemaError
	if !errors.As(err, &schema) || schema.Schema != 3 || schema.Known != 2 {
		t.Fatalf("a store with schema 3: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !reflect.DeepEqual(now, newer) {
		t.Errorf("the newer store was changed: %v", err)
	}
	if !tryDamaged(t, "schema 0", edited(t, file, store.PutSchema(0)), expected) {
		t.Error("schema 0 was taken for one")
	}
}

// A store of an older format stays one until a revision is stored in it: until then the
// program that wrote it can be started again.
func TestOlderSchema(t *testing.T) {
	file, _ := sampleStore(t)
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, edited(t, file, store.PutSchema(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	schemaOf := func() (n int) {
		t.Helper()
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.View(func(tx *bbolt.Tx) error {
			n = store.Schema(tx)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		commits bool
		want    int
	}{{false, 1}, {true, 2}, {false, 2}} {
		db, err := store.Open(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if step.commits {
			in, err := db.Load(t.Context())
			if err == nil {
				_, err = db.Commit(t.Context(), in.Revision, storetest.Sample("another"), lb.Origin{})
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if got := schemaOf(); got != step.want {
			t.Errorf("schema %d, want %d (a revision: %v)", got, step.want, step.commits)
		}
	}
}

// A store without damage that holds what this version does not know, or refuses, is no
// damaged one: it stays, for the version that wrote it.
func TestStoreOfAnotherVersion(t *testing.T) {
	file, _ := sampleStore(t)
	for name, c := range map[string]struct{ id, doc, says string }{
		"another kind":              {"listener/live", `{"key":"live"}`, "listener/live: it is no frontend"},
		"an object that is refused": {"backend/odd", `{"key":"odd","type":"future"}`, "backend/odd: "},
	} {
		other := edited(t, file, store.PutIntact(c.id, c.doc))
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path, other, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(path, store.Options{})
		if !errors.As(err, new(*store.VersionError)) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || !reflect.DeepEqual(now, other) {
			t.Errorf("%s: the store was changed: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "store.db")
	known := edited(t, file, store.PutIntact("backend/live", `{"key":"live","type":"static","a field of a later version":1}`))
	if err := os.WriteFile(path, known, 0o600); err != nil {
		t.Fatal(err)
	}
	if in, err := open(t, path, store.Options{}).Load(t.Context()); err != nil || in.Backends["live"].Type != "static" {
		t.Errorf("a store with a field more: %v", err)
	}
}

func TestClosed(t *testing.T) {
	db := fresh(t)
	waiting := make(chan error, 1)
	go func() { waiting <- db.Wait(t.Context(), 0) }()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
	if _, err := db.Load(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Load: %v", err)
	}
	if _, err := db.Commit(t.Context(), 0, storetest.Sample("1"), lb.Origin{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Commit: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// TestFileGoneUnderway takes the file's bytes away while the store is open, as a
// disk that fails does: a fault in the memory map.
func TestFileGoneUnderway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	if _, err := db.Commit(t.Context(), 0, storetest.Sample("1"), lb.Origin{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Commit(t.Context(), 1, storetest.Sample("2"), lb.Origin{}); err == nil {
		t.Error("a commit into nothing was acknowledged")
	}
	for range 2 {
		if in, err := db.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "failed while it was in use") {
			t.Errorf("revision %d loaded from nothing: %v", in.Revision, err)
		}
	}
	if _, err := db.Commit(t.Context(), 1, storetest.Sample("2"), lb.Origin{}); err == nil {
		t.Error("a commit into nothing was acknowledged")
	}
}

func TestOldRevisionsAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{MaxRevisions: 5})
	for n := range 12 {
		if _, err := db.Commit(t.Context(), uint64(n), storetest.Sample(strconv.Itoa(n)), lb.Origin{}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(db *store.DB, newest, count int) {
		t.Helper()
		revs, err := db.Revisions(t.Context(), 0, 0)
		if err != nil || len(revs) != count {
			t.Fatalf("%d revisions: %v", len(revs), err)
		}
		for i, rev := range revs {
			if rev.Number != uint64(newest-i) {
				t.Errorf("revision %d at place %d", rev.Number, i)
			}
		}
	}
	check(db, 12, 5)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{MaxRevisions: 2})
	check(db, 12, 5) // until the next commit
	if _, err := db.Commit(t.Context(), 12, storetest.Sample("12"), lb.Origin{}); err != nil {
		t.Fatal(err)
	}
	check(db, 13, 2)
}

func TestReadersAndWritersAtOnce(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const readers = 4
	commits := 60
	if testing.Short() { // the readers read all revisions each time, without a pause
		commits = 8
	}
	ended := make(chan error, readers)
	for range readers {
		go func() {
			var seen uint64
			for ctx.Err() == nil {
				c, snapshotErr, err := read(ctx, db)
				if err := errors.Join(err, snapshotErr); err != nil && !errors.Is(err, context.Canceled) {
					ended <- err
					return
				}
				if ctx.Err() == nil && c.Intent.Revision < seen {
					ended <- fmt.Errorf("back from %d to %d", seen, c.Intent.Revision)
					return
				}
				seen = max(seen, c.Intent.Revision)
			}
			ended <- nil
		}()
	}
	for n := range commits {
		if _, err := db.Commit(ctx, uint64(n), storetest.Sample(strconv.Itoa(n)), lb.Origin{}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.AppendEvents(ctx, events(n+1, 1)), db.SaveSnapshot(ctx, sampleSnapshot())); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range readers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if seq, err := db.LastSeq(t.Context()); err != nil || seq != uint64(commits) {
		t.Errorf("last event %d: %v", seq, err)
	}
}

var _ activity.Store = (*store.DB)(nil)
