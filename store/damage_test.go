package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/activity"
	"thalassa/internal/testkit/figures"
	"thalassa/lb"
	"thalassa/store"
	"thalassa/store/storetest"
)

// damage counts the files that tryDamaged has opened.
var damage struct{ tried, setAside atomic.Int64 }

// keepDamage keeps how many files were tried, if any were.
func keepDamage(begun time.Time, failed bool) error {
	n := int(damage.tried.Load())
	if n == 0 {
		return nil
	}
	return figures.Keep(figures.Run{
		What: "damage", Date: begun, Seconds: int(time.Since(begun).Seconds()), Failed: failed,
		Counts: map[string]int{"damaged files": n, "set aside": int(damage.setAside.Load())},
	})
}

// contents is everything a store holds.
type contents struct {
	Intent    lb.Intent
	Revisions []lb.Revision
	Events    []activity.Event
	Snapshot  lb.Snapshot
}

// read reads a store to the last entry. A snapshot that is gone is an error of
// its own.
func read(ctx context.Context, db *store.DB) (c contents, snapshotErr, err error) {
	if c.Intent, err = db.Load(ctx); err != nil {
		return c, nil, err
	}
	if c.Revisions, err = db.Revisions(ctx, 0, store.MaxLimit); err != nil {
		return c, nil, err
	}
	if c.Events, err = db.Events(ctx, activity.Query{Limit: activity.MaxLimit}); err != nil {
		return c, nil, err
	}
	c.Snapshot, snapshotErr = db.LoadSnapshot(ctx)
	return c, snapshotErr, nil
}

// sampleStore is a file with a few hundred entries, on branch and leaf pages,
// and what it holds.
func sampleStore(t *testing.T) ([]byte, contents) {
	t.Helper()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "sample.db")
	db := open(t, path, store.Options{MaxRevisions: 30})
	for n := range 40 {
		if _, err := db.Commit(ctx, uint64(n), storetest.Sample(strconv.Itoa(n)), lb.Origin{Author: "operator", Time: time.Unix(int64(n), 0)}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 {
		if err := db.AppendEvents(ctx, events(10*n+1, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SaveSnapshot(ctx, sampleSnapshot()); err != nil {
		t.Fatal(err)
	}
	c, snapshotErr, err := read(ctx, db)
	if err := errors.Join(snapshotErr, err, db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, c
}

func events(first, n int) []activity.Event {
	out := make([]activity.Event, n)
	for i := range out {
		seq := first + i
		out[i] = activity.Event{
			Seq: uint64(seq), Type: "activity", Time: int64(seq) * 1000, Verb: activity.HAProxyReloaded,
			Object: activity.Object{ID: "haproxy", Type: "haproxy"}, Diff: []string{"+ server " + strconv.Itoa(seq)},
		}
	}
	return out
}

func sampleSnapshot() lb.Snapshot {
	return lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": {
		Name: "shop", Index: 77, Seen: time.Unix(5, 0).UTC(),
		Instances: []lb.Instance{{
			ID: "shop-1", Node: "n1", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Version: "1.0.0",
			Tags: []string{"a"}, Meta: map[string]string{"version": "1.0.0"}, Weight: 1, Status: "passing", Healthy: true,
		}},
	}}}
}

// tryDamaged opens a file with these bytes and demands that it is either set
// aside, bytes and all, or holds what it should; and that a store is there
// afterwards in both cases. It reports whether it was set aside.
func tryDamaged(t *testing.T, name string, file []byte, expected contents) (isSetAside bool) {
	t.Helper()
	damage.tried.Add(1)
	defer func() {
		if isSetAside {
			damage.setAside.Add(1)
		}
	}()
	ctx := t.Context()
	dir := t.TempDir()
	defer func() { _ = os.RemoveAll(dir) }() // now, as there are thousands; else the test does
	path := filepath.Join(dir, "store.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(path, store.Options{})
	var damaged *store.DamagedError
	if errors.As(err, &damaged) {
		kept, err := os.ReadFile(damaged.SetAside)
		if err != nil || !bytes.Equal(kept, file) {
			t.Fatalf("%s: the file set aside is another one: %v", name, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s: the damaged file is still there: %v", name, err)
		}
		expected = contents{}
		db, err = store.Open(path, store.Options{})
		if err != nil {
			t.Fatalf("%s: no new store: %v", name, err)
		}
	} else if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer db.Close()
	got, snapshotErr, err := read(ctx, db)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if damaged == nil {
		if snapshotErr != nil {
			got.Snapshot = expected.Snapshot // it says so, and is no loss
		}
		if !reflect.DeepEqual(got, expected) {
			t.Fatalf("%s: the store lies:\n got %+v\nwant %+v", name, got, expected)
		}
	}
	in := storetest.Sample("after")
	in.Revision = got.Intent.Revision + 1
	if _, err := db.Commit(ctx, got.Intent.Revision, in, lb.Origin{}); err != nil {
		t.Fatalf("%s: the store cannot be written: %v", name, err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if db, err = store.Open(path, store.Options{}); err != nil {
		t.Fatalf("%s: the store cannot be opened again: %v", name, err)
	}
	defer db.Close()
	if again, err := db.Load(ctx); err != nil || !reflect.DeepEqual(again, in) {
		t.Fatalf("%s: the store lost a commit: %v", name, err)
	}
	return damaged != nil
}

func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	file, expected := sampleStore(t)
	page := os.Getpagesize()
	rng := rand.New(rand.NewPCG(1, 2))
	edges := []int{1, 15, 79, 80, 4095, 4096, 4097, page + 79, page + 80, 2*page - 1, 2 * page, 3 * page, 4*page - 1, 4 * page, len(file) - 1, len(file) - page}
	random := make([]int, 40)
	if testing.Short() {
		random = random[:4]
	}
	for i := range random {
		random[i] = 1 + rng.IntN(len(file)-1)
	}
	sizes := slices.Concat(edges, random)
	setAside := 0
	for _, size := range sizes {
		if tryDamaged(t, fmt.Sprintf("%d of %d bytes", size, len(file)), file[:size], expected) {
			setAside++
		}
	}
	if setAside < len(sizes)/2 {
		t.Errorf("only %d of %d truncated files were set aside", setAside, len(sizes))
	}
}

func TestFlippedBit(t *testing.T) {
	t.Parallel()
	file, expected := sampleStore(t)
	var used []int // flips in the empty rest of pages are no test
	for i, b := range file {
		if b != 0 {
			used = append(used, i)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	rounds := 400
	if testing.Short() {
		rounds = 20
	}
	setAside := 0
	for range rounds {
		at, bit := used[rng.IntN(len(used))], rng.IntN(8)
		flipped := bytes.Clone(file)
		flipped[at] ^= 1 << bit
		if tryDamaged(t, fmt.Sprintf("byte %d bit %d", at, bit), flipped, expected) {
			setAside++
		}
	}
	if setAside < rounds/10 {
		t.Errorf("only %d of %d damaged files were set aside", setAside, rounds)
	}
	t.Logf("%d of %d were set aside; the others had the bit where nothing counts", setAside, rounds)
}

// TestDamagedHeaders flips a bit in every byte of the meta pages' fields and of
// the headers of the first pages.
func TestDamagedHeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("opens hundreds of files")
	}
	file, expected := sampleStore(t)
	page := os.Getpagesize()
	for at := range min(24*page, len(file)) {
		switch offset := at % page; {
		case at < 2*page && offset < 80, offset < 16:
			flipped := bytes.Clone(file)
			flipped[at] ^= 1 << (at % 8)
			tryDamaged(t, fmt.Sprintf("byte %d", at), flipped, expected)
		}
	}
}

func TestWreckedPages(t *testing.T) {
	t.Parallel()
	file, expected := sampleStore(t)
	page := os.Getpagesize()
	rng := rand.New(rand.NewPCG(5, 6))
	pages := len(file) / page
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		wrecked := bytes.Clone(file)
		at, from := rng.IntN(pages)*page, rng.IntN(pages)*page
		var what string
		switch rng.IntN(4) {
		case 0:
			what = "zeroed"
			clear(wrecked[at : at+page])
		case 1:
			what = fmt.Sprintf("copied from %d", from)
			copy(wrecked[at:at+page], file[from:from+page])
		case 2: // the page is where it should be, with another one's content
			what = fmt.Sprintf("replaced by %d", from)
			copy(wrecked[at:at+page], file[from:from+page])
			binary.NativeEndian.PutUint64(wrecked[at:], uint64(at/page))
		case 3:
			what = "noise"
			for i := range 32 {
				wrecked[at+rng.IntN(page)] = byte(rng.Uint32() + uint32(i))
			}
		}
		tryDamaged(t, fmt.Sprintf("page %d %s", at/page, what), wrecked, expected)
	}
}

func TestGarbage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for name, file := range map[string][]byte{
		"text": []byte(strings.Repeat("this is not a store\n", 1000)),
		"JSON": []byte(`{"version":1,"frontends":[],"backends":[]}`),
		"zero": make([]byte, 4*os.Getpagesize()), "noise": noise, "one byte": {0},
	} {
		if !tryDamaged(t, name, file, contents{}) {
			t.Errorf("%s was taken for a store", name)
		}
	}
}

// edited is the file after a bbolt transaction that the store knows nothing of.
func edited(t *testing.T, file []byte, edit func(tx *bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edited.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSoundFileWithWrongContent takes files that bbolt finds nothing wrong with.
func TestSoundFileWithWrongContent(t *testing.T) {
	t.Parallel()
	file, expected := sampleStore(t)
	remove := func(bucket, key string) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete([]byte(key)) }
	}
	number := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
	for name, edit := range map[string]func(tx *bbolt.Tx) error{
		"an object is missing":           remove("objects", "frontend/www"),
		"a revision is missing":          remove("revisions", number(25)),
		"the newest revision is missing": remove("revisions", number(40)),
		"the oldest revision is missing": remove("revisions", number(11)),
		"an event is missing":            remove("events", number(100)),
		"the newest event is missing":    remove("events", number(200)),
		"the schema is missing":          remove("meta", "schema"),
		"the head is missing":            remove("meta", "intent"),
		"a bucket is missing":            func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("events")) },
		"a bucket in a bucket": func(tx *bbolt.Tx) error {
			_, err := tx.Bucket([]byte("objects")).CreateBucket([]byte("backend/b"))
			return err
		},
		"an object that does not parse":      store.PutObject("backend/live", `{"type":"dynamic","name":"shop"`),
		"an object that is wrong":            store.PutObject("backend/live", `{"key":"live","type":"dynamic","name":"shop"}`),
		"an object with another one's key":   store.PutObject("backend/live", `{"key":"other","type":"static"}`),
		"an object that is of no kind known": store.PutObject("gateway/live", `{"key":"live"}`),
		"an object without a checksum": func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("objects")).Put([]byte("backend/live"), []byte(`{"type":"static"}`))
		},
		"a number that is none": func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("revisions")).Put([]byte("x"), []byte(`00000000 {}`))
		},
		"two objects changed places": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("objects"))
			one, two := bytes.Clone(b.Get([]byte("frontend/www"))), bytes.Clone(b.Get([]byte("frontend/tcp")))
			return errors.Join(b.Put([]byte("frontend/www"), two), b.Put([]byte("frontend/tcp"), one))
		},
	} {
		if !tryDamaged(t, name, edited(t, file, edit), expected) {
			t.Errorf("%s, and the store was opened", name)
		}
	}
	// A bucket more is what a later version may add without harm.
	more := edited(t, file, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("more"))
		return err
	})
	if tryDamaged(t, "a bucket more", more, expected) {
		t.Error("a store with a bucket more was set aside")
	}
}

func TestSetAsideNamesAreUnique(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	now := func() time.Time { return time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600)) }
	for n := range 3 {
		if err := os.WriteFile(path, []byte(fmt.Sprint("garbage ", n)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(path, store.Options{Now: now})
		var damaged *store.DamagedError
		if !errors.As(err, &damaged) {
			t.Fatal(err)
		}
		if !strings.Contains(err.Error(), damaged.SetAside) || !strings.Contains(err.Error(), "meta page 0") {
			t.Errorf("the error does not say what it should: %v", err)
		}
	}
	for n, name := range []string{"store.db.damaged-20260301T120000Z", "store.db.damaged-20260301T120000Z-2", "store.db.damaged-20260301T120000Z-3"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != fmt.Sprint("garbage ", n) {
			t.Errorf("%s holds %q: %v", name, data, err)
		}
	}
}

// TestDamagedSnapshot is the one damage that does not cost the store.
func TestDamagedSnapshot(t *testing.T) {
	file, expected := sampleStore(t)
	at := bytes.Index(file, []byte(`"shop-1"`))
	for at >= 0 { // in every copy there is
		file[at+1] = 'S'
		next := bytes.Index(file[at+1:], []byte(`"shop-1"`))
		if next < 0 {
			break
		}
		at += 1 + next
	}
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, store.Options{})
	if _, err := db.LoadSnapshot(t.Context()); err == nil {
		t.Error("a damaged snapshot was loaded")
	}
	if in, err := db.Load(t.Context()); err != nil || !reflect.DeepEqual(in, expected.Intent) {
		t.Errorf("the intent was lost: %v", err)
	}
	if err := db.SaveSnapshot(t.Context(), expected.Snapshot); err != nil {
		t.Fatal(err)
	}
	if s, err := db.LoadSnapshot(t.Context()); err != nil || !reflect.DeepEqual(s, expected.Snapshot) {
		t.Errorf("the snapshot was not replaced: %v", err)
	}
}
