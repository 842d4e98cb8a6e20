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

func TestOverridesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	if list, err := db.LoadOverrides(t.Context()); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	at := time.Unix(1700000000, 0).UTC()
	want := []lb.Override{
		{Backend: "live", Member: lb.HostPort{Host: "10.0.0.1", Port: 80}, State: "drain", Until: at.Add(time.Hour), Reason: "new disk", Origin: lb.Origin{Author: "ann", Cause: "POST", Time: at}},
		{Backend: "live", Member: lb.HostPort{Host: "::1", Port: 80}, State: "ready", Weight: lb.Weighting{IsSet: true, Value: 50, Percent: true}, Origin: lb.Origin{Time: at}},
	}
	if err := db.SaveOverrides(t.Context(), append(want, lb.Override{Backend: "old", Member: want[0].Member, State: "maint"})); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveOverrides(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, store.Options{})
	if list, err := db.LoadOverrides(t.Context()); err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v, %v", list, err)
	}
}

// TestDamagedOverrideIsLeftOut: the others, and everything else, stay.
func TestDamagedOverrideIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	db := open(t, path, store.Options{})
	good := lb.Override{Backend: "live", Member: lb.HostPort{Host: "10.0.0.2", Port: 80}, State: "maint"}
	if err := db.SaveOverrides(t.Context(), []lb.Override{{Backend: "live", Member: lb.HostPort{Host: "10.0.0.1", Port: 80}, State: "drain"}, good}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	bolt, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = bolt.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("overrides")).Put([]byte("live/10.0.0.1:80"), []byte("rubbish"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := bolt.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := open(t, path, store.Options{}).LoadOverrides(t.Context())
	if err == nil || len(list) != 1 || list[0].Member != good.Member {
		t.Errorf("got %+v, %v", list, err)
	}
}
