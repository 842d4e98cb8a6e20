package drafts_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster/config"
	"thalassa/lb"
)

// A tally is what the writers of a fleet were told.
type tally struct {
	mu      sync.Mutex
	edits   map[string]string   // acknowledged edits → draft
	alone   map[string][]string // those that one agent alone had → nodes
	dropped map[string]bool     // messages of drafts
	seen    map[string]bool     // edits that were in a draft when it was dropped, and may be gone
}

// TestNoAcknowledgedEditIsLost has writers on three agents that die, return and are split, and looks
// at the end for each edit that was acknowledged, and for drafts that were dropped. Each run takes other
// seeds, which are the names of its parts; DRAFTS_SEED=n repeats one.
func TestNoAcknowledgedEditIsLost(t *testing.T) {
	t.Parallel()
	seeds := []uint64{rand.Uint64(), rand.Uint64()}
	if testing.Short() {
		seeds = seeds[:1]
	}
	if text := os.Getenv("DRAFTS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { writeInTrouble(t, seed) })
		})
	}
}

func writeInTrouble(t *testing.T, seed uint64) {
	t.Helper()
	f := newFleet(t, "n1", "n2", "n3")
	defer f.stop()
	f.mu.Lock() // the agents ask each other already
	f.rng = rand.New(rand.NewPCG(seed, 1))
	f.mu.Unlock()
	told := &tally{edits: map[string]string{}, alone: map[string][]string{}, dropped: map[string]bool{}, seen: map[string]bool{}}
	var writers sync.WaitGroup
	end := time.Now().Add(2 * time.Minute)
	for i := range 4 {
		writers.Go(func() { told.write(t, f, rand.New(rand.NewPCG(seed, uint64(100+i))), i, end) })
	}
	trouble(f, rand.New(rand.NewPCG(seed, 2)), end)
	writers.Wait()
	time.Sleep(10 * time.Minute) // nothing is asked meanwhile
	told.check(t, f)
}

// trouble kills, freezes and splits until a time, and ends with all agents there.
func trouble(f *fleet, rng *rand.Rand, end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
		name := f.names[rng.IntN(len(f.names))]
		switch rng.IntN(6) {
		case 0:
			f.split(false, name)
		case 1:
			f.split(true, name)
		case 2, 3:
			f.split(false)
		case 4:
			f.kill(name)
		}
		for _, name := range f.names {
			if f.at(name) == nil && rng.IntN(2) == 0 {
				f.start(name)
			}
		}
	}
	f.split(false)
	for _, name := range f.names {
		if f.at(name) == nil {
			f.start(name)
		}
	}
}

// write begins, edits and drops drafts at any agent.
func (o *tally) write(t *testing.T, f *fleet, rng *rand.Rand, writer int, end time.Time) {
	t.Helper()
	for n := 0; time.Now().Before(end); n++ {
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
		at := f.at(f.names[rng.IntN(len(f.names))])
		if at == nil {
			continue
		}
		id, text := fmt.Sprintf("d%d", rng.IntN(4)), fmt.Sprintf("w%d-%d", writer, n)
		switch k := rng.IntN(20); {
		case k == 0:
			var last config.Draft // as it is dropped
			err := at.Delete(t.Context(), id, func(d config.Draft) error { last = d; return nil })
			o.mu.Lock()
			if err == nil {
				o.dropped[last.Message] = true
			}
			for _, e := range texts(last) { // also after an error: it may be dropped
				o.seen[e] = true
			}
			o.mu.Unlock()
		case k < 4:
			_, err := at.Create(t.Context(), config.Draft{ID: id, Author: "ann", Message: "begun by " + text, Begun: time.Now(), Changed: time.Now()})
			if err != nil && !isExpected(err) {
				t.Errorf("beginning %s: %v", id, err)
			}
		default:
			d, err := at.Update(t.Context(), id, add(text))
			if err != nil {
				if !isExpected(err) {
					t.Errorf("editing %s: %v", id, err)
				}
				continue
			}
			if n := count(texts(d), text); n != 1 {
				t.Errorf("the answer to edit %s has it %d times", text, n)
			}
			o.mu.Lock()
			o.edits[text] = id
			if len(d.Kept) < 2 {
				o.alone[text] = d.Kept
			}
			o.mu.Unlock()
		}
	}
}

func isExpected(err error) bool {
	return errors.As(err, new(*lb.NotFoundError)) || errors.As(err, new(*lb.ConflictError)) || errors.As(err, new(*lb.UnavailableError))
}

func count(list []string, text string) int {
	return len(slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s != text }))
}

// check looks for everything at each agent.
func (o *tally) check(t *testing.T, f *fleet) {
	t.Helper()
	var first []config.Draft
	for _, name := range f.names {
		list, err := f.at(name).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i].Kept = nil
		}
		if first == nil {
			first = list
		}
		if a, b := fmt.Sprint(list), fmt.Sprint(first); a != b {
			t.Errorf("%s has other drafts than n1:\n%s\n%s", name, a, b)
		}
	}
	found, copies := map[string]bool{}, 0
	for _, d := range first {
		if strings.Contains(d.ID, ".conflict-") {
			copies++
		} else if o.dropped[d.Message] {
			t.Errorf("%s, %q, was dropped and is back", d.ID, d.Message)
		}
		for _, text := range texts(d) {
			found[text] = true
			if n := count(texts(d), text); n != 1 {
				t.Errorf("%s has edit %s %d times", d.ID, text, n)
			}
		}
	}
	lost := 0
	for text, id := range o.edits {
		if !found[text] && !o.seen[text] {
			lost++
			t.Errorf("edit %s of %s was acknowledged (alone: %v) and is lost", text, id, o.alone[text])
		}
	}
	t.Logf("%d edits acknowledged, %d of them on one node alone, %d drafts, %d copies of conflicts, %d questions, %d bytes", len(o.edits), len(o.alone), len(first), copies, f.asked.Load(), f.bytes.Load())
}
