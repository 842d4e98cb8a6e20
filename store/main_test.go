package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/store"
	"thalassa/store/storetest"
)

// childEnv makes the test binary do something else than test: it runs the child
// of that name on the store that is its last argument.
const childEnv = "THALASSA_STORE_CHILD"

func TestMain(m *testing.M) {
	children := map[string]func(path string) error{"writer": writer, "limited": limited, "holder": holder}
	child, ok := children[os.Getenv(childEnv)]
	if !ok {
		begun, code := time.Now(), m.Run()
		if err := keepDamage(begun, code != 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
	if err := child(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// writer commits revisions and stores events for ever, and prints the number of
// each one that was acknowledged: "r 1", "e 1", "r 2" and so on.
func writer(path string) error {
	ctx := context.Background()
	db, err := store.Open(path, store.Options{MaxRevisions: 50, MaxEvents: 50})
	if err != nil {
		return err
	}
	in, err := db.Load(ctx)
	if err != nil {
		return err
	}
	seq, err := db.LastSeq(ctx)
	if err != nil {
		return err
	}
	for n := in.Revision; ; n++ {
		rev, err := db.Commit(ctx, n, storetest.Sample(strconv.FormatUint(n+1, 10)), lb.Origin{Author: "writer", Time: time.Now()})
		if err != nil {
			return err
		}
		fmt.Println("r", rev.Number)
		seq++
		if err := db.AppendEvents(ctx, events(int(seq), 1)); err != nil {
			return err
		}
		fmt.Println("e", seq)
		if err := db.SaveSnapshot(ctx, sampleSnapshot()); err != nil {
			return err
		}
	}
}

// holder opens the store and keeps it until its standard input ends.
func holder(path string) error {
	db, err := store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return db.Close()
}

// limited may not write files beyond 128 KiB until it lifts the limit itself.
func limited(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	full := limit
	full.Cur = 128 << 10
	set := func(l syscall.Rlimit) error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l) }
	return runFull(path, func() error { return set(full) }, func() error { return set(limit) })
}

// runFull fills the store while fill is in force until it takes no more, proves
// that nothing of what failed is there, calls drain and proves that the store
// works again, and so does what it left behind.
func runFull(path string, fill, drain func() error) error {
	ctx := context.Background()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // a second Close does nothing
	if _, err := db.Commit(ctx, 0, storetest.Sample("0"), lb.Origin{}); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	revision, failures := uint64(1), 0
	for failures < 20 {
		next := storetest.Sample(strconv.FormatUint(revision, 10))
		_, err := db.Commit(ctx, revision, next, lb.Origin{Author: string(make([]byte, 3000))})
		if err == nil {
			revision++
			failures = 0
			if revision > 10_000 {
				return errors.New("there is room without end")
			}
			continue
		}
		failures++
		in, loadErr := db.Load(ctx)
		if loadErr != nil || in.Revision != revision {
			return fmt.Errorf("after %w: revision %d instead of %d: %w", err, in.Revision, revision, loadErr)
		}
		// There may or may not be room for that.
		_ = db.AppendEvents(ctx, []activity.Event{{Seq: revision, Error: string(make([]byte, 5000))}})
	}
	if err := drain(); err != nil {
		return err
	}
	if _, err := db.Commit(ctx, revision, storetest.Sample("after"), lb.Origin{}); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := db.Close(); err != nil {
		return err
	}
	db, err = store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	in, err := db.Load(ctx)
	if err != nil || in.Revision != revision+1 || in.Backends["live"].Version != "after" {
		return fmt.Errorf("opened again: revision %d: %w", in.Revision, err)
	}
	fmt.Println("revisions", revision+1)
	return nil
}
