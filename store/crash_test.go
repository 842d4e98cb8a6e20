package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/store"
	"thalassa/store/storetest"
)

// child starts the test binary again as one of TestMain's children.
func child(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, path)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// TestKilledWriter kills a writer at a random moment, again and again on the
// same store.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "store.db")
	rng := rand.New(rand.NewPCG(9, 10))
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	commits, beyond := 0, 0
	var revision, seq uint64
	for round := range rounds {
		acknowledged := killedWriter(t, rng, path, round)
		for _, line := range acknowledged {
			var n uint64
			switch {
			case strings.HasPrefix(line, "r "):
				commits++
				if _, err := fmt.Sscan(line[2:], &n); err != nil || n != revision+1 {
					t.Fatalf("round %d: %q acknowledged after %d", round, line, revision)
				}
				revision = n
			case strings.HasPrefix(line, "e "):
				if _, err := fmt.Sscan(line[2:], &n); err != nil || n != seq+1 {
					t.Fatalf("round %d: %q acknowledged after %d", round, line, seq)
				}
				seq = n
			default:
				t.Fatalf("round %d: %q", round, line)
			}
		}
		gotRevision, gotSeq := examineSurvivor(t, path)
		if gotRevision < revision || gotRevision > revision+1 {
			t.Fatalf("round %d: revision %d, acknowledged %d", round, gotRevision, revision)
		}
		if gotSeq < seq || gotSeq > seq+1 {
			t.Fatalf("round %d: event %d, acknowledged %d", round, gotSeq, seq)
		}
		if gotRevision > revision || gotSeq > seq {
			beyond++
		}
		revision, seq = gotRevision, gotSeq
	}
	if commits == 0 {
		t.Fatal("no writer ever came to commit anything")
	}
	t.Logf("%d acknowledged commits in %d rounds; %d times one more was there", commits, rounds, beyond)
}

// killedWriter runs a writer until it is killed and returns what it
// acknowledged. Every third one is killed right at its start, when it opens or
// makes the store.
func killedWriter(t *testing.T, rng *rand.Rand, path string, round int) []string {
	t.Helper()
	cmd := child(t, "writer", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var first []byte
	if round%3 != 0 {
		first = make([]byte, 2)
		if _, err := io.ReadFull(stdout, first); err != nil {
			t.Fatalf("the writer ended by itself: %v: %s", err, &stderr)
		}
	}
	<-time.After(time.Duration(rng.Int64N(int64(60 * time.Millisecond))))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the writer ended by itself: %v: %s", err, &stderr)
	}
	out := string(first) + string(rest)
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

// examineSurvivor opens the store and proves that it is whole.
func examineSurvivor(t *testing.T, path string) (revision, seq uint64) {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, snapshotErr, err := read(t.Context(), db)
	if err := errors.Join(snapshotErr, err); err != nil {
		t.Fatal(err)
	}
	revision = c.Intent.Revision
	if revision > 0 {
		expected := storetest.Sample(strconv.FormatUint(revision, 10))
		expected.Revision = revision
		if !reflect.DeepEqual(c.Intent, expected) {
			t.Fatalf("revision %d holds something else", revision)
		}
	}
	if len(c.Revisions) != int(min(revision, 50)) {
		t.Fatalf("%d revisions up to %d", len(c.Revisions), revision)
	}
	for i, rev := range c.Revisions {
		if rev.Number != revision-uint64(i) {
			t.Fatalf("the history of %d has a gap at %d", revision, rev.Number)
		}
	}
	if len(c.Events) > 0 {
		seq = c.Events[len(c.Events)-1].Seq
	}
	if len(c.Events) != int(min(seq, 50)) || len(c.Events) > 0 && !reflect.DeepEqual(c.Events, events(int(seq)-len(c.Events)+1, len(c.Events))) {
		t.Fatalf("%d events up to %d", len(c.Events), seq)
	}
	return revision, seq
}

func TestFileSizeLimit(t *testing.T) {
	out, err := child(t, "limited", filepath.Join(t.TempDir(), "store.db")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

// TestFullDisk does the same on a real file system without room.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	filler := filepath.Join(dir, "filler")
	fill := func() error {
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return f.Truncate(800 << 10) // some room, so that it ends in the middle of something
	}
	if err := runFull(filepath.Join(dir, "store.db"), fill, func() error { return os.Remove(filler) }); err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskAtCreation leaves no half store behind.
func TestFullDiskAtCreation(t *testing.T) {
	dir := smallDisk(t)
	filler, path := filepath.Join(dir, "filler"), filepath.Join(dir, "store.db")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_, err := store.Open(path, store.Options{})
	var damaged *store.DamagedError
	if !errors.Is(err, syscall.ENOSPC) || errors.As(err, &damaged) {
		t.Fatalf("opened on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, store.Options{})
	if err := db.AppendEvents(t.Context(), []activity.Event{{Seq: 1}}); err != nil {
		t.Fatal(err)
	}
}

// smallDisk mounts a file system of 1 MiB. Not everybody may.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
