package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
	"thalassa/internal/wake"
	"thalassa/jobs"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// disk is a store.
type disk struct {
	mu   sync.Mutex
	docs map[string][]byte
	slow time.Duration // of each Save
}

func (m *disk) Save(ctx context.Context, docs map[string][]byte, remove []string) error {
	if m.slow > 0 {
		select {
		case <-time.After(m.slow):
		case <-ctx.Done():
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.docs, docs)
	for _, id := range remove {
		delete(m.docs, id)
	}
	return nil
}

func (m *disk) Load(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.docs), nil
}

// two are two nodes of a cluster whose CIB is a file, which Pacemaker's tools change.
type two struct {
	board *board
	pm    *pacemaker.Cluster
	path  string // of the CIB
}

func newTwo(t *testing.T) two {
	t.Helper()
	testkit.Needs(t, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(t, "crm_mon is not installed; make setup installs it")
	}
	data, err := os.ReadFile(filepath.Join("..", "pacemaker", "testdata", "failed.xml"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cib.xml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	pm := pacemaker.New(pacemaker.Config{OtherCIB: []string{"CIB_file=" + path}})
	return two{&board{texts: map[string]string{}, rings: map[string]string{}}, pm, path}
}

// start runs a node until stop is called, or the test ends.
func (c two) start(t *testing.T, node string, store jobs.Store) (r *jobs.Runner, stop func()) {
	t.Helper()
	view := cluster.Status{Self: node, State: cluster.StateOK, Nodes: []cluster.Node{{Name: "n1", State: "online"}, {Name: "n2", State: "online"}}}
	r = jobs.New(jobs.Config{
		Steps: pacemaker.NewSteps(c.pm), Exchange: place{c.board, node, func() {}}, Store: store,
		View: func() cluster.Status { return view }, Changed: c.board.changed.Next, Fresh: func(context.Context, cluster.Epoch) {},
		Record: func(context.Context, activity.Event) {}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

func (c two) epoch(t *testing.T) cluster.Epoch {
	t.Helper()
	e, err := c.pm.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A request that comes several times, to several nodes, is carried out once, and all of them
// keep its document, also over a restart.
func TestARequestIsCarriedOutOnce(t *testing.T) {
	c := newTwo(t)
	n1, stop := c.start(t, "n1", &disk{docs: map[string][]byte{}})
	kept := &disk{docs: map[string][]byte{}}
	n2, stop2 := c.start(t, "n2", kept)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	standby := cluster.Action{Kind: cluster.Standby, Node: "n3", Wait: time.Minute}
	order := cluster.Order{Author: "ann", Key: "key-12345678", Body: []byte("standby n3")}
	before := c.epoch(t)

	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			_, j, err := n1.Do(ctx, standby, order)
			if err != nil || j.State != cluster.JobDone || j.Attempts != 1 {
				t.Errorf("%+v, %v", j, err)
			}
			ids[i] = j.ID
		})
	}
	all.Wait()
	if len(slices.Compact(slices.Clone(ids))) != 1 {
		t.Fatalf("one request has the jobs %q", ids)
	}
	id, after := ids[0], c.epoch(t)
	if after.Compare(before) <= 0 {
		t.Errorf("the CIB has version %v, before %v", after, before)
	}

	if j, err := n2.Former(ctx, order.JobID()); err != nil || j.ID != id {
		t.Errorf("looked for on the other node: %+v, %v", j, err)
	}
	if _, err := n2.Former(ctx, cluster.Order{Author: "bob", Key: order.Key}.JobID()); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("the key of somebody else: %v", err)
	}
	_, j, err := n2.Do(ctx, standby, order)
	if err != nil || j.ID != id || j.Node != "n1" || j.State != cluster.JobDone {
		t.Errorf("on the other node: %+v, %v", j, err)
	}
	if !slices.Contains(j.Kept, "n1") || !slices.Contains(j.Kept, "n2") {
		t.Errorf("kept on %q", j.Kept)
	}
	other := order
	other.Body = []byte("standby n2")
	if _, _, err := n2.Do(ctx, cluster.Action{Kind: cluster.Standby, Node: "n2"}, other); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("another request with the same key: %v", err)
	}
	if _, err := n2.Cancel(ctx, id, "bob"); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("canceling what is over: %v", err)
	}
	if now := c.epoch(t); now != after {
		t.Errorf("the CIB has version %v, expected %v: it was changed again", now, after)
	}

	stop2()
	stop()
	again, _ := c.start(t, "n2", kept)
	if j, err := again.Former(ctx, order.JobID()); err != nil || j.ID != id {
		t.Errorf("looked for right after a restart: %+v, %v", j, err)
	}
	if _, j, err := again.Do(ctx, standby, order); err != nil || j.ID != id || j.Node != "n1" {
		t.Errorf("after a restart: %+v, %v", j, err)
	}
	if list, err := again.Jobs(ctx, cluster.JobQuery{Author: "ann"}); err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("after a restart: %+v, %v", list, err)
	}
}

// Edits of the configuration are a job, too, which is no action.
func TestEditsAreAJob(t *testing.T) {
	c := newTwo(t)
	n1, _ := c.start(t, "n1", &disk{docs: map[string][]byte{}})
	n2, _ := c.start(t, "n2", &disk{docs: map[string][]byte{}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	edits := []config.Edit{{Op: config.Put, Kind: config.Tags, ID: "shops", Body: []byte(`{"objects":["vip"]}`)}}
	order := cluster.Order{Author: "ann", Key: "key-12345678", Body: []byte("a tag")}
	out, j, err := n1.Configure(ctx, edits, time.Minute, order)
	if err != nil || j.State != cluster.JobDone || j.Object != "tags/shops" || len(j.Kept) != 2 || len(out.Changes) == 0 {
		t.Fatalf("%+v, %+v, %v", out, j, err)
	}
	after := c.epoch(t)
	if out, again, err := n2.Configure(ctx, edits, time.Minute, order); err != nil || again.ID != j.ID || len(out.Changes) == 0 || c.epoch(t) != after {
		t.Errorf("again on the other node: %+v, %+v, %v", out, again, err)
	}
}

// A job whose node was lost before its first write is ended by a node that lives, and
// all nodes hear of it.
func TestTheJobOfALostNodeIsEnded(t *testing.T) {
	const id = "aaaaaaaaaaaaaaaaaaaa"
	doc := []byte(`{"id":"` + id + `","kind":"standby","state":"running","node":"n3","attempts":1,"version":1,"begun":"` +
		time.Now().Format(time.RFC3339) + `","action":{"node":"n3"}}`)
	c := newTwo(t)
	before := c.epoch(t)
	n1, _ := c.start(t, "n1", &disk{docs: map[string][]byte{}})
	n2, _ := c.start(t, "n2", &disk{docs: map[string][]byte{id: doc}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, n := range map[string]*jobs.Runner{"n1": n1, "n2": n2} {
		j, err := n.Job(ctx, id)
		for errors.As(err, new(*lb.NotFoundError)) && wake.Pause(ctx, 10*time.Millisecond) == nil { // not read, or not heard of yet
			j, err = n.Job(ctx, id)
		}
		if err != nil || j.State != cluster.JobFailed || j.Code != "interrupted" || j.Node == "n3" {
			t.Errorf("on %s: %+v, %v", name, j, err)
		}
	}
	if now := c.epoch(t); now != before {
		t.Errorf("the CIB has version %v, expected %v", now, before)
	}
}

// Nobody is told that there is no such job while the stored ones are being read.
func TestStoredJobsAreAwaited(t *testing.T) {
	const id = "bbbbbbbbbbbbbbbbbbbb"
	store := &slowDisk{disk: disk{docs: map[string][]byte{id: []byte(`{"id":"` + id + `","kind":"standby","state":"done","node":"n1","version":2,"action":{"node":"n3"}}`)}}, read: make(chan struct{})}
	n1, _ := newTwo(t).start(t, "n1", store)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	now, end := context.WithCancel(ctx)
	end()
	if j, err := n1.Job(now, id); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("before they are read: %+v, %v", j, err)
	}
	if list, err := n1.Jobs(now, cluster.JobQuery{}); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("before they are read: %+v, %v", list, err)
	}
	if _, err := n1.Cancel(now, id, "ann"); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("canceling before they are read: %v", err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		if j, err := n1.Job(ctx, id); err != nil || j.ID != id {
			t.Errorf("%+v, %v", j, err)
		}
	})
	all.Go(func() {
		if list, err := n1.Jobs(ctx, cluster.JobQuery{}); err != nil || len(list) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
	})
	close(store.read)
	all.Wait()
}

// slowDisk is a store that is read when somebody says so.
type slowDisk struct {
	disk

	read chan struct{}
}

func (m *slowDisk) Load(ctx context.Context) (map[string][]byte, error) {
	select {
	case <-m.read:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return m.disk.Load(ctx)
}
