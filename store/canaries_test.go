package store_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/lb"
	"thalassa/store"
)

// walking is a canary of a backend that has everything.
func walking(t *testing.T, backend lb.Name) lb.CanaryState {
	t.Helper()
	conditions, err := lb.ParseCanaryConditions("5xx>1%,rtime>500ms")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1700000000, 0).UTC()
	figures := &lb.CanaryFigures{Requests: 9, ServerErrors: 1, Errors: 2, Responses: 8, ResponseTimeMS: 1.5}
	return lb.CanaryState{
		Canary: lb.Canary{
			Backend: backend, Version: "2", Steps: []int{5, 100}, Every: time.Minute, AbortOn: conditions, MinRequests: 7, Lease: time.Minute,
			Origin: lb.Origin{Author: "ann", Cause: "POST", Time: at},
		},
		Phase: lb.CanaryPaused, Service: "shop", Others: lb.Split{{Version: "1", Weight: 100}}, Percent: 5, Selection: "1=95,2=5",
		Tag: `"a"`, Next: `"b"`, Began: at, Measured: time.Second, New: figures, Old: figures,
		History: []lb.CanaryStep{{
			Percent: 5, Selection: "1=95,2=5", Time: at, Path: "runtime", Duration: time.Millisecond, Revision: 3, Members: 4,
			Measured: time.Second, New: figures, Old: figures, Judged: true,
		}},
		Reason: "r", Problem: "p", Now: "n", Pending: "q", Ended: at,
	}
}

func TestCanariesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	if list, err := db.Canaries(t.Context()); err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	if err := db.DeleteCanary(t.Context(), "none"); err != nil {
		t.Error(err)
	}
	live, other := walking(t, "live"), walking(t, "other")
	for _, s := range []lb.CanaryState{walking(t, "gone"), {Canary: other.Canary, Phase: lb.CanaryStarting}, live, other} {
		if err := db.SaveCanary(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.DeleteCanary(t.Context(), "gone"); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	if list, err := db.Canaries(t.Context()); err != nil || !reflect.DeepEqual(list, []lb.CanaryState{live, other}) {
		t.Errorf("%v, read\n%+v, stored\n%+v", err, list, []lb.CanaryState{live, other})
	}
}

// A canary that cannot be read keeps neither the file nor the others from being used.
func TestDamagedCanary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	for _, key := range []lb.Name{"bad", "live"} {
		if err := db.SaveCanary(t.Context(), walking(t, key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	bolt, err := bbolt.Open(path, 0o600, nil)
	if err == nil {
		err = bolt.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("canaries")).Put([]byte("bad"), []byte("00000000 {}"))
		})
	}
	if err == nil {
		err = bolt.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	if list, err := db.Canaries(t.Context()); err != nil || len(list) != 1 || list[0].Backend != "live" {
		t.Errorf("%+v, %v", list, err)
	}
}
