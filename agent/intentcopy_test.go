package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/store"
)

// importing is a fixture with an agent that has not begun, and finds backend b in the
// persistence file and nothing in the store.
func importing(t *testing.T) *fixture {
	t.Helper()
	fx := newFixture(t)
	fx.persistence = filepath.Join(t.TempDir(), "thalassa.json")
	fx.stored(0, shop)
	if err := store.WritePersistence(fx.persistence, fx.intent); err != nil {
		t.Fatal(err)
	}
	fx.intent = lb.Intent{}
	fx.make()
	return fx
}

func TestChangeWaitsForTheImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := importing(t)
		edited := make(chan error, 1)
		go func() {
			_, err := fx.putNative("x", "option httplog")
			edited <- err
		}()
		synctest.Wait() // the API may be open before the agent runs
		t.Cleanup(fx.begin())
		if err := <-edited; err != nil {
			t.Fatal(err)
		}
		in, _ := fx.Load(t.Context())
		if len(in.Backends) != 2 {
			t.Errorf("%d backends are stored, expected the imported one and the new one", len(in.Backends))
		}
	})
}

func TestImportMayComeBeforeTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := importing(t)
		if err := fx.agent.Import(t.Context()); err != nil || len(fx.intent.Backends) != 1 {
			t.Fatalf("%d backends are stored, %v", len(fx.intent.Backends), err)
		}
		t.Cleanup(fx.begin())
		if in, _ := fx.Load(t.Context()); in.Revision != 1 || fx.count(activity.Imported) != 1 {
			t.Errorf("revision %d is stored; %d imports are recorded", in.Revision, fx.count(activity.Imported))
		}
	})
}

func TestPersistenceFileIsWrittenOnceItCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		dir := filepath.Join(t.TempDir(), "absent")
		fx.persistence = filepath.Join(dir, "thalassa.json")
		fx.run()
		if _, err := fx.putNative("x", "option httplog"); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), time.Minute)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), 31*time.Second)
		if in, found, err := store.ReadPersistence(fx.persistence); err != nil || !found || len(in.Backends) != 1 {
			t.Errorf("the file has %d backends (found %t), %v", len(in.Backends), found, err)
		}
	})
}

// What an agent that was killed while it wrote the copy has left goes at the next
// start.
func TestHalfAPersistenceFileIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		dir := t.TempDir()
		target := filepath.Join(dir, "elsewhere.json")
		fx.persistence = filepath.Join(t.TempDir(), "thalassa.json")
		if err := os.Symlink(target, fx.persistence); err != nil {
			t.Fatal(err)
		}
		for name, age := range map[string]time.Duration{"elsewhere.json": 0, ".elsewhere.json.12": time.Hour, ".elsewhere.json.34": time.Second, ".other.json.56": time.Hour} {
			path, since := filepath.Join(dir, name), time.Now().Add(-age)
			if err := errors.Join(os.WriteFile(path, []byte("{}"), 0o600), os.Chtimes(path, since, since)); err != nil {
				t.Fatal(err)
			}
		}
		fx.run()
		pause(t.Context(), time.Minute)
		left, err := filepath.Glob(filepath.Join(dir, ".*.json.*"))
		want := []string{filepath.Join(dir, ".elsewhere.json.34"), filepath.Join(dir, ".other.json.56")}
		if err != nil || !slices.Equal(left, want) {
			t.Errorf("left are %q, %v, expected %q", left, err, want)
		}
	})
}
