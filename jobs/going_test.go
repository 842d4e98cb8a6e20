package jobs_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/jobs"
	"thalassa/lb"
)

// Shutdowns of single nodes that begin at about the same moment, at different agents, never take
// the quorum together, and as many are carried out as the cluster can spare. That also holds if
// agents start again meanwhile, at any moment.
func TestShutdownsCountEachOther(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random, restarts := rand.New(rand.NewPCG(seed, 1)), seed%2 == 1
			names := []string{"n1", "n2", "n3"}
			q := &quorum{spare: 1 + random.IntN(2), down: map[string]bool{}}
			others := &board{texts: map[string]string{}, rings: map[string]string{}, slow: time.Duration(random.IntN(30)) * time.Millisecond}
			var all sync.WaitGroup
			var mu sync.Mutex
			refused := 0
			for i, name := range names {
				kept, n := &disk{docs: map[string][]byte{}}, &nodesOf{hangs: true, quorum: q}
				r, stop := runnerOf(t, name, cluster.StateOK, kept, others, n)
				defer func() { stop() }()
				after := time.Second + time.Duration(random.IntN(1+random.IntN(60)))*time.Millisecond
				up := time.Duration(random.IntN(200)) * time.Millisecond
				do := func(r *jobs.Runner) error {
					_, _, err := r.Do(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: names[(i+1)%len(names)], Wait: time.Minute}, cluster.Order{Author: "ann", Key: "key-of-" + name})
					return err
				}
				all.Go(func() {
					time.Sleep(after)
					ended := make(chan error, 1)
					go func() { ended <- do(r) }()
					if restarts && (i == 0 || up%2 == 0) {
						time.Sleep(up)
						stop()
						r, stop = runnerOf(t, name, cluster.StateOK, kept, others, n)
					}
					err := <-ended
					if errors.As(err, new(*lb.UnavailableError)) {
						err = do(r)
					}
					mu.Lock()
					defer mu.Unlock()
					if conflict, ok := errors.AsType[*lb.ConflictError](err); ok && strings.Contains(conflict.Reason, "there is no quorum") {
						refused++
					} else if !cluster.IsKind(err, cluster.KindTimedOut) {
						t.Errorf("seed %d: %v", seed, err)
					}
				})
			}
			all.Wait()
			if len(q.down) > q.spare || !restarts && len(q.down) < q.spare || refused != len(names)-len(q.down) {
				t.Errorf("seed %d: %d nodes went down and %d shutdowns were refused; the cluster can spare %d of %d", seed, len(q.down), refused, q.spare, len(names))
			}
		})
	}
}

// says is what an agent tells that has noted nothing: {"boot": "b0", "beat": 1, "seq": 0, "sums": ""}.
const says = "H4sIAAAAAAAC_6tWSsrPL1GyUlBKMlDSAZKpiSCeIZBZnFoIZBmAWKW5xSAlSrUAoJUmoS8AAAA"

// A shutdown of one node stops nothing while this node cannot hear of others, or no other node has
// noted it. Without other agents, nobody has to.
func TestShutdownThatNobodyKnows(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*board, *nodesOf)
		words   string // of the refusal; empty: there is none
	}{
		"no other agent":       {func(*board, *nodesOf) {}, ""},
		"nothing can be heard": {func(b *board, _ *nodesOf) { b.deaf = true }, "cannot hear of other shutdowns"},
		"it is not noted":      {func(b *board, _ *nodesOf) { b.texts["n2"] = says }, "no other node has noted the job, not even n2"},
		"the other is gone":    {func(b *board, n *nodesOf) { b.texts["n2"], n.silent = says, true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				others, n := &board{texts: map[string]string{}, rings: map[string]string{}}, &nodesOf{}
				tc.prepare(others, n)
				r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{}}, others, n)
				defer stop()
				time.Sleep(time.Second)
				_, j, err := r.Do(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: "n3"}, cluster.Order{Author: "ann"})
				if tc.words == "" && (err != nil || n.notes() == "") {
					t.Errorf("%+v, %v, asked: %q", j, err, n.notes())
				}
				if tc.words != "" && (!errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), tc.words) || n.notes() != "" || !strings.Contains(j.Result, "nothing was changed")) {
					t.Errorf("%+v, %v, asked: %q", j, err, n.notes())
				}
			})
		})
	}
}

// A shutdown that is refused because of another one does not end a startup of the node.
func TestARefusedShutdownEndsNoStartup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		others, n := &board{texts: map[string]string{}, rings: map[string]string{}}, &nodesOf{hangs: true}
		r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{}}, others, n)
		defer stop()
		startup, err := r.Begin(t.Context(), cluster.Action{Kind: cluster.Startup, Node: "n3", Wait: time.Minute}, cluster.Order{Author: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		others.mu.Lock()
		others.deaf = true
		others.mu.Unlock()
		if _, j, err := r.Do(t.Context(), cluster.Action{Kind: cluster.Shutdown, Node: "n3"}, cluster.Order{Author: "bob"}); err == nil || j.State != cluster.JobFailed {
			t.Errorf("the shutdown: %+v, %v", j, err)
		}
		if j, err := r.Job(t.Context(), startup.ID); err != nil || j.State != cluster.JobTimedOut {
			t.Errorf("the startup: %+v, %v", j, err)
		}
	})
}

// A node whose shutdown is done may be shown as online for a moment. It counts as gone until then,
// unless it was started again.
func TestNodesThatHaveGoneCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		others := &board{texts: map[string]string{}, rings: map[string]string{}}
		q := &quorum{spare: 1, down: map[string]bool{}}
		r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{}}, others, &nodesOf{quorum: q})
		defer stop()
		do := func(kind, node string) error {
			time.Sleep(time.Second) // a job is begun after the one before
			_, _, err := r.Do(t.Context(), cluster.Action{Kind: kind, Node: node}, cluster.Order{Author: "ann"})
			return err
		}
		if err := do(cluster.Shutdown, "n2"); err != nil {
			t.Fatal(err)
		}
		err := do(cluster.Shutdown, "n3")
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || !strings.Contains(conflict.Reason, "without it and n2") {
			t.Errorf("a second one: %v", err)
		}
		if err := do(cluster.Shutdown, "n2"); err != nil {
			t.Errorf("the same node again: %v", err)
		}
		if err := do(cluster.Startup, "n2"); err != nil {
			t.Fatal(err)
		}
		if err := do(cluster.Shutdown, "n3"); err != nil {
			t.Errorf("when the first is back: %v", err)
		}
		time.Sleep(time.Minute)
		if err := do(cluster.Shutdown, "n2"); err != nil { // by now, the view decides
			t.Errorf("a minute later: %v", err)
		}
		if list, err := r.Jobs(t.Context(), cluster.JobQuery{}); err != nil || slices.ContainsFunc(list, func(j cluster.Job) bool { return j.State != cluster.JobDone }) {
			t.Errorf("what was refused before it began is no job: %+v, %v", list, err)
		}
	})
}
