package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func TestTheSameOrderHasTheSameID(t *testing.T) {
	o := cluster.Order{Author: "ann", Key: "12345678", Body: []byte("a")}
	id, request := idOf(o), requestOf(o)
	if idOf(o) != id || !idForm.MatchString(id) || requestOf(o) != request {
		t.Error("it differs")
	}
	for _, other := range []cluster.Order{{Author: "bob", Key: o.Key}, {Author: o.Author, Key: "12345679"}, {}} {
		if idOf(other) == idOf(o) {
			t.Errorf("%+v has the same id", other)
		}
	}
	if one, two := idOf(cluster.Order{}), idOf(cluster.Order{}); one == two {
		t.Error("two jobs without a key are the same")
	}
	changed := o
	changed.Body = []byte("b")
	if idOf(changed) != idOf(o) || requestOf(changed) == requestOf(o) {
		t.Error("another request is not noticed")
	}
}

// Whatever the order in which nodes hear of records, they keep the same one.
func TestNodesKeepTheSameRecord(t *testing.T) {
	one := func(state cluster.JobState, version uint64, node, code string, attempts int) record {
		return record{Job: cluster.Job{ID: strings.Repeat("a", 20), State: state, Node: node, Code: code, Attempts: attempts}, Version: version}
	}
	ascending := []record{
		one(cluster.JobRunning, 9, "n2", "", 1),
		one(cluster.JobFailed, 3, "n2", cluster.JobInterrupted, 1),
		one(cluster.JobFailed, 2, "n1", "conflict", 1),
		one(cluster.JobDone, 4, "n2", "", 1),
		one(cluster.JobDone, 4, "n1", "", 1),
		one(cluster.JobRunning, 1, "n3", "", 2),
	}
	for i, a := range ascending {
		for k, b := range ascending {
			want := ascending[max(i, k)]
			if got := newer(a, b); got.Version != want.Version || got.Node != want.Node || got.State != want.State {
				t.Errorf("of %d and %d, %+v is kept", i, k, got.Job)
			}
		}
	}
	canceled := ascending[0]
	canceled.CanceledBy = "ann"
	if newer(canceled, ascending[0]).CanceledBy != "ann" || newer(ascending[0], canceled).CanceledBy != "ann" {
		t.Error("a cancellation is lost")
	}
}

func TestAMessageIsReadAsItWasWritten(t *testing.T) {
	rec := record{Job: cluster.Job{ID: strings.Repeat("b", 20), Kind: cluster.Move, State: cluster.JobRunning, Node: "n1"}.Bounded(), Version: 3, Action: &target{Node: "n2"}}
	doc, err := encodeRecord(rec)
	if err != nil {
		t.Fatal(err)
	}
	text, err := message{Boot: "x", Beat: 4, Seq: 7, Jobs: []json.RawMessage{doc}, Acks: map[string]string{"n2": "y/3"}, Sums: sums(nil)}.encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMessage(text)
	if err != nil || m.Seq != 7 || len(m.Jobs) != 1 || m.Acks["n2"] != "y/3" {
		t.Fatalf("%+v, %v", m, err)
	}
	got, err := parseRecord(m.Jobs[0])
	if err != nil || got.sum() != rec.sum() || got.action().Node != "n2" {
		t.Errorf("%+v, %v", got, err)
	}
	rec.Action, rec.Kind, rec.Nodes, rec.Restarts = &target{Nodes: []string{"n2", "n3"}}, cluster.Forget, []string{"n2", "n3"}, []string{"n4"}
	if doc, err = encodeRecord(rec); err != nil {
		t.Fatal(err)
	}
	if got, err := parseRecord(doc); err != nil || len(got.Nodes) != 2 || got.Nodes[1] != "n3" || len(got.Restarts) != 1 || got.Restarts[0] != "n4" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", text[:len(text)/2], strings.Repeat("A", 1000)} {
		if m, err := parseMessage(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, m)
		}
	}
	for _, bad := range []string{
		"", "{}", `{"id":"x"}`, `{"id":"` + rec.ID + `"}`, `{"id":"` + rec.ID + `","state":"odd"}`,
		`{"id":"` + rec.ID + `","state":"done","kind":"move","action":{"node":"--help"}}`, strings.Repeat(" ", maxDocument+1),
	} {
		if r, err := parseRecord([]byte(bad)); err == nil {
			t.Errorf("%.80q is read as %+v", bad, r)
		}
	}
}

func TestSumsTellWhatDiffers(t *testing.T) {
	records := map[string]record{}
	for i := range 1000 {
		id := idOf(cluster.Order{Author: "a", Key: fmt.Sprintf("key-%08d", i)})
		records[id] = record{Job: cluster.Job{ID: id, State: cluster.JobDone}, Version: 1}
	}
	all := sums(records)
	if len(differing(all, sums(records))) != 0 {
		t.Error("equal jobs differ")
	}
	id := idOf(cluster.Order{Author: "a", Key: "key-00000007"})
	rec := records[id]
	rec.Version++
	records[id] = rec
	if d := differing(all, sums(records)); len(d) != 1 || !d[bucketOf(id)] {
		t.Errorf("differing: %v, expected %d", d, bucketOf(id))
	}
	if len(differing(all, "")) != 0 {
		t.Error("nothing is known of a node without sums")
	}
}

// The end of a startup or shutdown that its own node tells counts, not that of who has taken it
// over meanwhile, in whatever order they are heard.
func TestTheNodeOfAJobHasItsEndToTell(t *testing.T) {
	t.Parallel()
	own, taken, running := record{Version: 3}, record{Version: 9, Taken: true}, record{Version: 4, Taken: true}
	own.State, own.Node, taken.State, taken.Node, running.State, running.Node = cluster.JobDone, "n1", cluster.JobTimedOut, "n2", cluster.JobRunning, "n2"
	for _, pair := range [][2]record{{own, taken}, {taken, own}, {own, running}, {running, own}} {
		if got := newer(pair[0], pair[1]); got.Node != "n1" {
			t.Errorf("%+v", got)
		}
	}
}

// A job that was refused is answered in the same way whenever its request is sent again.
func TestFailuresOfFormerJobs(t *testing.T) {
	t.Parallel()
	for code, is := range map[string]func(error) bool{
		"precondition_failed": func(err error) bool { return errors.As(err, new(*cluster.PlanChangedError)) },
		"refused":             func(err error) bool { return errors.As(err, new(*lb.RefusedError)) },
		"conflict":            func(err error) bool { return errors.As(err, new(*lb.ConflictError)) },
		"not_allowed": func(err error) bool {
			e, ok := errors.AsType[*cluster.Error](err)
			return ok && e.Kind == cluster.KindForbidden && e.User == "ann"
		},
	} {
		rec := record{Job: cluster.Job{ID: "aaaaaaaaaaaaaaaaaaaa", Author: "ann", Object: "resource/haproxy", State: cluster.JobFailed, Code: code, Result: "why it was refused"}}
		if err := rec.failure(); !is(err) || !strings.Contains(err.Error(), "why it was refused") {
			t.Errorf("%s: %T: %v", code, err, err)
		}
	}
	if code := codeOf(&lb.PreconditionError{ID: "resource/vip"}); code != "precondition_failed" {
		t.Errorf("an edit of what has changed: %s", code)
	}
	if code := codeOf(&cluster.Error{Kind: cluster.KindForbidden, User: "ann"}); code != "not_allowed" {
		t.Errorf("an edit that ACLs forbid: %s", code)
	}
}

// largest is the largest job that its bounds allow, with texts made by one.
func largest(one func(n int) string) record {
	list := func() (out []string) {
		for range 250 {
			out = append(out, one(3000))
		}
		return out
	}
	consequences := func() (out []cluster.Consequence) {
		for range 250 {
			out = append(out, cluster.Consequence{Action: one(3000), Resource: one(3000), Node: one(3000), From: one(3000), Reason: one(3000)})
		}
		return out
	}
	r := record{Request: strings.Repeat("f", 32), Action: &target{Nodes: []string{"n2", "n3"}, Down: true}, WaitFor: time.Minute, Version: 7, Written: 1, Restarts: []string{"n4"}}
	r.Job = cluster.Job{
		ID: strings.Repeat("a", 20), Kind: cluster.Forget, State: cluster.JobRunning, Author: one(3000), Node: one(3000), Object: one(3000), Nodes: list(),
		Begun: time.Now(), Commands: list(), Changes: list(), Predicted: consequences(), Actual: consequences(), Deviations: list(), Commit: one(3000),
		Result: one(3000), Code: one(3000), Kept: list(), CanceledBy: one(3000), Rollout: &cluster.RolledOut{From: one(3000), To: one(3000), Planned: one(3000), Reloaded: list()},
	}
	for range 250 {
		r.Rollout.Nodes = append(r.Rollout.Nodes, cluster.NodeAnswer{Node: one(3000), Reason: one(3000)})
	}
	r.Foretold, r.From = map[string]string{}, map[string]string{}
	for i := range maxForetold {
		id := fmt.Sprintf("%d%s", i, one(200))
		r.Foretold[id], r.From[id] = one(60), one(60)
	}
	return r
}

// Whatever a job tells, what is written of it can be read, after a restart and by other nodes, and what
// it takes to go on with it is there.
func TestTheLargestJobIsReadable(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for name, one := range map[string]func(n int) string{
		"text":    func(n int) string { return strings.Repeat("x", n) },
		"escapes": func(n int) string { return strings.Repeat("\x01", n) },
		"random": func(n int) string {
			out := make([]byte, n)
			for i := range out {
				out[i] = byte(' ' + random.IntN(95))
			}
			return string(out)
		},
	} {
		rec, disk := largest(one), &fullDisk{docs: map[string][]byte{}}
		l := newLedger(disk, time.Now)
		if err := l.save(t.Context(), []record{rec}); err != nil {
			t.Fatal(err)
		}
		again, log := newLedger(disk, time.Now), &testkit.Log{}
		if err := again.load(t.Context(), slog.New(slog.NewTextHandler(log, nil))); err != nil || strings.Contains(log.String(), "not readable") {
			t.Errorf("%s: %v, %s", name, err, log)
		}
		if got, known := again.get(rec.ID); !known || got.sum() != l.records[rec.ID].sum() || got.Request != rec.Request || !slices.Equal(got.action().Nodes, rec.Action.Nodes) || !slices.Equal(got.Restarts, rec.Restarts) || got.Written != 1 {
			t.Errorf("%s: %t, %+v", name, known, got.Request)
		}
		said := ""
		s := newSharing(Config{
			Logger: slog.New(slog.DiscardHandler), View: func() cluster.Status { return cluster.Status{Self: "n1"} },
			Exchange: sayer(func(text string) { said = text }),
		}, l)
		s.offer(rec)
		s.speak(t.Context())
		m, err := parseMessage(said)
		if err != nil || len(m.Jobs) != 1 || len(said) > maxText {
			t.Fatalf("%s: a message of %d bytes, %d jobs, %v", name, len(said), len(m.Jobs), err)
		}
		if got, err := parseRecord(m.Jobs[0]); err != nil || got.ID != rec.ID {
			t.Errorf("%s: another node reads %v", name, err)
		}
	}
	// What fits is not cut.
	small := largest(func(int) string { return "x" })
	if got, _, err := small.fitted(); err != nil || len(got.Changes) != 200 || len(got.Kept) != 200 || len(got.Foretold) != maxForetold {
		t.Errorf("%v, %d changes, %d nodes that keep it, %d places", err, len(got.Changes), len(got.Kept), len(got.Foretold))
	}
}

// A sayer gets what a node says.
type sayer func(text string)

func (s sayer) Say(_ context.Context, text string) error         { s(text); return nil }
func (s sayer) Ring(context.Context, string) error               { return nil }
func (s sayer) Rings() map[string]string                         { return nil }
func (s sayer) Heard(context.Context) (map[string]string, error) { return nil, nil }
