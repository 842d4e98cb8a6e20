package jobs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/jobs"
	"thalassa/lb"
)

func leave() (cluster.Action, cluster.Order) {
	return cluster.Action{Kind: cluster.Leave, Node: "n3", Author: "ann", Wait: 10 * time.Minute}, cluster.Order{Author: "ann", Key: "key-12345678", Body: []byte("leave")}
}

// going are the kinds of the jobs that a runner says to go on.
func going(t *testing.T, r *jobs.Runner) string {
	t.Helper()
	list, err := r.OfNodes()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, j := range list {
		out = append(out, j.Kind+" of "+j.Author)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// A shutdown or startup that comes while a node leaves is refused, and does not end the leaving, also
// if it has seen that only when it had begun. While it looks, others see it.
func TestALeavingIsNotFollowedByAShutdown(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{cluster.Shutdown, cluster.Startup} {
		synctest.Test(t, func(t *testing.T) {
			n := &nodesOf{hangs: true}
			r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}, n)
			defer func() { stop() }()
			a, o := leave()
			j, err := r.Begin(t.Context(), a, o)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			seen := ""
			n.set(func() {
				n.apart = func(string) error {
					time.Sleep(time.Second) // the nodes take a while to answer
					seen = going(t, r)
					return &lb.ConflictError{ID: "cluster", Reason: "node n3 is leaving"}
				}
			})
			_, later, err := r.Do(t.Context(), cluster.Action{Kind: kind}, cluster.Order{Author: "bob"})
			if !errors.As(err, new(*lb.ConflictError)) || later.State != cluster.JobFailed || !strings.Contains(later.Result, "node n3 is leaving") || !strings.Contains(later.Result, "nothing was changed") {
				t.Errorf("%s: %+v, %v", kind, later, err)
			}
			if want := "leave of ann, " + kind + " of bob"; seen != want {
				t.Errorf("while it looks: %q, expected %q", seen, want)
			}
			time.Sleep(time.Second)
			if j, _ = r.Known(j.ID); j.State != cluster.JobRunning {
				t.Errorf("the leaving: %+v", j)
			}
			if got := going(t, r); got != "leave of ann" {
				t.Errorf("then: %q", got)
			}
			if got := n.notes(); got != "leave for ann" {
				t.Errorf("asked: %q", got)
			}
		})
	}
}

// What goes on is known after a restart of the agent, before it goes on with it, and no longer than
// its time. A job that was not looked after before the restart is then.
func TestWhatGoesOnIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, others := &disk{docs: map[string][]byte{}}, &board{texts: map[string]string{}, rings: map[string]string{}}
		n := &nodesOf{hangs: true}
		r, stop := runnerOf(t, "n1", cluster.StateOK, kept, others, n)
		a, o := leave()
		if _, err := r.Begin(t.Context(), a, o); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		n.set(func() { n.apart = func(string) error { return errors.New("looked again") } })
		r, stop = runnerOf(t, "n1", cluster.StateOK, kept, others, n)
		synctest.Wait()
		if got := going(t, r); got != "leave of ann" {
			t.Errorf("after the restart: %q", got)
		}
		time.Sleep(11 * time.Minute)
		if got := going(t, r); got != "" {
			t.Errorf("after its time: %q", got)
		}
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		doc := `{"id":"aaaaaaaaaaaaaaaaaaaa","kind":"shutdown","state":"running","author":"ann","node":"n1","attempts":1,"version":2,"written":1,"looks":true,"begun":"` +
			time.Now().Format(time.RFC3339) + `","action":{}}`
		n := &nodesOf{apart: func(job string) error { return &lb.ConflictError{ID: "cluster", Reason: "not together with " + job} }}
		r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{"aaaaaaaaaaaaaaaaaaaa": []byte(doc)}}, &board{texts: map[string]string{}, rings: map[string]string{}}, n)
		defer stop()
		j, err := r.Job(t.Context(), "aaaaaaaaaaaaaaaaaaaa")
		if err != nil || j.State != cluster.JobFailed || !strings.Contains(j.Result, "not together with aaaaaaaaaaaaaaaaaaaa") || n.notes() != "" {
			t.Errorf("%+v, %v, asked: %q", j, err, n.notes())
		}
	})
}

// A startup or a shutdown of all nodes that an agent of a former version has begun may have asked nodes,
// which such an agent does not note: it goes on, and ends those before it.
func TestJobsOfFormerAgents(t *testing.T) {
	t.Parallel()
	const id = "aaaaaaaaaaaaaaaaaaaa"
	doc := func(id, kind, node string, begun time.Time, more string) []byte {
		return []byte(`{"id":"` + id + `","kind":"` + kind + `","state":"running","author":"ann","node":"` + node + `","attempts":1,"version":2,"written":1,"waitFor":600000000000,"begun":"` +
			begun.Format(time.RFC3339) + `","action":{}` + more + `}`)
	}
	for _, kind := range []string{cluster.Shutdown, cluster.Startup} {
		synctest.Test(t, func(t *testing.T) {
			n := &nodesOf{apart: func(string) error { return &lb.ConflictError{ID: "cluster", Reason: "node n3 is leaving"} }}
			r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{id: doc(id, kind, "n1", time.Now(), "")}}, &board{texts: map[string]string{}, rings: map[string]string{}}, n)
			defer stop()
			if j, err := r.Job(t.Context(), id); err != nil || j.State != cluster.JobDone || n.notes() != kind+" for ann" {
				t.Errorf("%s: %+v, %v, asked: %q", kind, j, err, n.notes())
			}
		})
		synctest.Test(t, func(t *testing.T) {
			const later = "bbbbbbbbbbbbbbbbbbbb"
			n, docs := &nodesOf{}, map[string][]byte{
				id:    doc(id, cluster.Shutdown, "n1", time.Now(), `,"looks":true,"passed":true`),
				later: doc(later, kind, "n2", time.Now().Add(time.Second), ""),
			}
			r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: docs}, &board{texts: map[string]string{}, rings: map[string]string{}}, n)
			defer stop()
			if j, err := r.Job(t.Context(), id); err != nil || j.State != cluster.JobFailed || !strings.Contains(j.Result, "job "+later+" was begun after it") || n.notes() != "" {
				t.Errorf("before a %s: %+v, %v, asked: %q", kind, j, err, n.notes())
			}
		})
	}
}

// Each agent that answers knows of a leaving before it goes on: the first that keeps it may be that of
// the node that leaves, and the one that carries it out may be lost. So it is with a shutdown: nothing
// carries the word when the cluster is down.
func TestALeavingOrShutdownIsKnownEverywhere(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{cluster.Leave, cluster.Shutdown} {
		synctest.Test(t, func(t *testing.T) { isKnownEverywhere(t, kind) })
	}
}

func isKnownEverywhere(t *testing.T, kind string) {
	t.Helper()
	others := &board{texts: map[string]string{}, rings: map[string]string{}}
	n := &nodesOf{hangs: true}
	r, stop := runnerOf(t, "n1", cluster.StateOK, &disk{docs: map[string][]byte{}}, others, n)
	defer stop()
	var all []*jobs.Runner
	for _, self := range []string{"n2", "n3"} {
		other, stop := runnerOf(t, self, cluster.StateOK, &disk{docs: map[string][]byte{}, slow: map[string]time.Duration{"n2": time.Second}[self]}, others, &nodesOf{})
		defer stop()
		all = append(all, other)
	}
	time.Sleep(5 * time.Second)
	a, o := leave()
	if kind == cluster.Shutdown {
		a.Kind, a.Node = kind, ""
	}
	j, err := r.Begin(t.Context(), a, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, other := range all {
		if _, known := other.Known(j.ID); !known {
			t.Errorf("n%d does not know it", i+2)
		}
	}
	if len(j.Kept) != 3 {
		t.Errorf("kept by %q", j.Kept)
	}
}
