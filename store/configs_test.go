package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/lb"
	"thalassa/store"
)

func recorded(revision uint64) lb.Recorded {
	return lb.Recorded{
		Time: time.Unix(int64(revision), 0).UTC(), Revision: revision, Cause: "PUT /backends/live", Author: "ann",
		Path: "reload", Fingerprint: fmt.Sprintf("%012x", revision),
	}
}

func record(t *testing.T, db *store.DB, revision uint64, text []byte) uint64 {
	t.Helper()
	n, err := store.NewArchive(db).RecordConfig(t.Context(), recorded(revision), text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func numbers(t *testing.T, db *store.DB, before uint64, limit int) string {
	t.Helper()
	list, err := store.NewArchive(db).Configs(t.Context(), before, limit)
	if err != nil || list == nil {
		t.Fatal(list, err)
	}
	var out []uint64
	for _, r := range list {
		out = append(out, r.Number)
	}
	return fmt.Sprint(out)
}

func TestRecordedConfigsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	if got := numbers(t, db, 0, 0); got != "[]" {
		t.Errorf("a new store has %s", got)
	}
	if _, _, err := store.NewArchive(db).ConfigText(t.Context(), 1); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("a text of a new store: %v", err)
	}
	for i := uint64(1); i <= 3; i++ {
		record(t, db, 10*i, fmt.Appendf(nil, "global\n    maxconn %d\n", i))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	if got := numbers(t, db, 0, 0) + numbers(t, db, 3, 1) + numbers(t, db, 1, 0); got != "[3 2 1][2][]" {
		t.Errorf("pages %s", got)
	}
	r, text, err := store.NewArchive(db).ConfigText(t.Context(), 2)
	want := recorded(20)
	want.Number, want.Size = 2, len(text)
	if err != nil || r != want || string(text) != "global\n    maxconn 2\n" {
		t.Errorf("number 2 is %+v %q, %v, want %+v", r, text, err, want)
	}
	if _, _, err := store.NewArchive(db).ConfigText(t.Context(), 4); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("number 4: %v", err)
	}
}

func TestOldConfigsAreDropped(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "store.db"), store.Options{MaxConfigs: 2})
	for i := range uint64(5) {
		record(t, db, i, []byte("x"))
	}
	if got := numbers(t, db, 0, 0); got != "[5 4]" {
		t.Errorf("of five there are %s", got)
	}
	if _, _, err := store.NewArchive(db).ConfigText(t.Context(), 3); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("one that was dropped: %v", err)
	}
}

// Texts that do not pack well are dropped by their size; the newest stays.
func TestLargeConfigsAreDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 40 MiB")
	}
	db := open(t, filepath.Join(t.TempDir(), "store.db"), store.Options{})
	text := make([]byte, 10<<20)
	source := rand.NewChaCha8([32]byte{})
	for i := range uint64(4) {
		if _, err := source.Read(text); err != nil {
			t.Fatal(err)
		}
		record(t, db, i, text)
	}
	if got := numbers(t, db, 0, 0); got != "[4 3]" { // 10 MiB are 13.4 in JSON
		t.Errorf("of four large ones there are %s", got)
	}
	if _, got, err := store.NewArchive(db).ConfigText(t.Context(), 4); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the newest is not what was stored: %v", err)
	}
}

// A damaged text costs that text, not what operators asked for.
func TestADamagedTextIsNoReasonNotToOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	record(t, db, 1, []byte("global\n"))
	record(t, db, 2, []byte("global\n"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, path, "texts")
	db = open(t, path, store.Options{})
	if got := numbers(t, db, 0, 0); got != "[2 1]" {
		t.Errorf("listed are %s", got)
	}
	if _, _, err := store.NewArchive(db).ConfigText(t.Context(), 1); err == nil || errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("the damaged text: %v", err)
	}
	if _, text, err := store.NewArchive(db).ConfigText(t.Context(), 2); err != nil || string(text) != "global\n" {
		t.Errorf("the sound text: %q, %v", text, err)
	}
	if n := record(t, db, 3, []byte("global\n")); n != 3 {
		t.Errorf("the next one is number %d", n)
	}
}

// spoil changes the first value of a bucket behind its checksum.
func spoil(t *testing.T, path, bucket string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		key, value := b.Cursor().First()
		changed := bytes.Clone(value)
		changed[len(changed)-5] ^= 1
		return b.Put(bytes.Clone(key), changed)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
