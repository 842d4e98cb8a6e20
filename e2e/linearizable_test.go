package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/figures"
	"thalassa/internal/testkit/history"
)

// TestLinearizable kills the agent, HAProxy and Consul at random while clients read and
// change frontends and backends, with and without conditions. What the clients were
// answered is linearizable, and every change that was answered is there at the end.
// THALASSA_LINEARIZABLE is its duration, THALASSA_LINEARIZABLE_SEED makes the same choices
// again.
func TestLinearizable(t *testing.T) {
	duration, seed := lasting(t, "THALASSA_LINEARIZABLE", 10*time.Second)
	begin := time.Now()
	w := newWriters(t, seed)
	kills := map[string]int{}
	figures.Append(t, "linearizable", begin, seed, func() map[string]int {
		killed := 0
		for _, n := range kills {
			killed += n
		}
		operations := 0
		for _, n := range w.record.Count() {
			operations += n
		}
		return map[string]int{"operations": operations, "acknowledged changes": len(w.record.Changes()), "lost": w.lost, "kills": killed}
	})
	w.start(8)
	for time.Since(begin) < duration || len(kills) < len(killings()) || !w.proves() {
		if time.Since(begin) > duration+2*time.Minute {
			t.Fatalf("too few operations to prove anything: %v", w.record.Count())
		}
		w.kill(kills)
	}
	w.finish()
	counts := w.record.Count()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%6d × %s", counts[name], name)
	}
	t.Logf("kills: %v; %d requests met no agent", kills, w.unsent.Load())
	w.check(max(time.Minute, 2*duration))
}

// proves reports whether there are enough operations of all kinds.
func (w *writers) proves() bool {
	n := w.record.Count()
	return n["put done"] >= 10 && n["share done"] >= 2 && n["read done"] >= 100 && n["put changed"] > 0 && n["delete done"] > 0 && n["put unknown"] > 0
}

// writers are clients of a node's API that change the same few objects.
type writers struct {
	*testing.T

	n      *node
	consul *testkit.ConsulAgent
	record *history.Recorder
	rand   *rand.Rand // of the test's own goroutine
	seed   uint64
	binds  map[string]string // by frontend
	count  atomic.Int64      // makes every value another one
	unsent atomic.Int64      // requests while no agent listened
	stop   chan struct{}
	done   sync.WaitGroup
	lost   int // changes that were answered and are not stored

	mu    sync.Mutex
	tags  map[string]map[string]history.Value // by object and entity tag
	wrong []error                             // answers that there may not be
}

// anchor is the backend that the frontends lead to. It is never deleted.
const anchor = "/backends/anchor"

func newWriters(t *testing.T, seed uint64) *writers {
	t.Helper()
	w := &writers{
		T: t, consul: testkit.DurableConsul(t), record: history.New(), seed: seed, stop: make(chan struct{}),
		rand: rand.New(rand.NewPCG(seed, 0)), tags: map[string]map[string]history.Value{}, binds: map[string]string{}, //nolint:gosec // to be repeated, not secret
	}
	w.n = newNode(t, w.consul.Address())
	for i, port := range testkit.Ports(t, 2) {
		w.binds[fmt.Sprintf("/frontends/f%d", i)] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	w.n.start()
	for _, version := range []string{"1.0.0", "1.1.0"} {
		for _, line := range service(t, w.consul, version, 1) {
			w.consul.SetStatus("shop-"+line, "passing") // or Consul forgets it in a restart
		}
	}
	w.do(0, anchor, history.Operation{Kind: history.Put, Value: w.value(anchor)})
	return w
}

func (w *writers) objects() []string {
	return slices.Concat([]string{anchor, "/backends/b0", "/backends/b1"}, slices.Sorted(maps.Keys(w.binds)))
}

// value is one that no object has had. A dynamic backend is defined by its host, and
// divides its traffic; a frontend is defined by the pattern of its rule.
func (w *writers) value(object string) history.Value {
	n := w.count.Add(1)
	v := history.Value{Definition: fmt.Sprintf("w%d", n)}
	if strings.HasPrefix(object, "/backends/") {
		v.Share = fmt.Sprintf(`{"1.0.0":%d,"1.1.0":%d}`, 1+n/9000, 1+n%9000)
	}
	return v
}

// start lets clients begin.
func (w *writers) start(clients int) {
	for client := 1; client <= clients; client++ {
		random := rand.New(rand.NewPCG(w.seed, uint64(client))) //nolint:gosec // to be repeated, not secret
		w.done.Go(func() {
			for {
				select {
				case <-w.stop:
					return
				case <-time.After(time.Duration(random.IntN(20)) * time.Millisecond):
					object := w.objects()[random.IntN(5)]
					w.do(client, object, w.choose(object, random))
				}
			}
		})
	}
}

// choose is a random operation. Half of those that change something have a condition:
// a tag that the object had lately, or none.
func (w *writers) choose(object string, random *rand.Rand) history.Operation {
	op := history.Operation{Kind: history.Read}
	switch at := random.IntN(20); {
	case at < 6:
		op = history.Operation{Kind: history.Put, Value: w.value(object)}
	case at < 9 && strings.HasPrefix(object, "/backends/"):
		op = history.Operation{Kind: history.Share, Value: w.value(object)}
	case at < 10 && object != anchor:
		op.Kind = history.Delete
	}
	if op.Kind == history.Read || random.IntN(2) == 0 {
		return op
	}
	if op.Kind == history.Put && random.IntN(6) == 0 {
		op.If = &history.Value{}
		return op
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	newest := history.Value{}
	for _, v := range w.tags[object] {
		if len(v.Definition) > len(newest.Definition) || v.Definition > newest.Definition {
			newest = v
		}
	}
	if newest != (history.Value{}) {
		op.If = &newest
	}
	return op
}

// do makes one request and records it.
func (w *writers) do(client int, object string, op history.Operation) {
	req := w.request(object, op)
	call := w.record.Begin(client, object, op)
	answer, err := w.ask(object, req)
	call.End(answer)
	if err != nil {
		w.mu.Lock()
		w.wrong = append(w.wrong, fmt.Errorf("%s: %s: %w", object, op, err))
		w.mu.Unlock()
	}
}

func (w *writers) request(object string, op history.Operation) *http.Request {
	method := map[history.Kind]string{
		history.Read: http.MethodGet, history.Put: http.MethodPut, history.Share: http.MethodPost, history.Delete: http.MethodDelete,
	}[op.Kind]
	req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", w.n.api, object), strings.NewReader(w.body(object, op)))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	switch {
	case op.If == nil:
	case *op.If == history.Value{}:
		req.Header.Set("If-None-Match", "*")
	default:
		req.Header.Set("If-Match", w.tag(object, *op.If))
	}
	return req
}

func (w *writers) body(object string, op history.Operation) string {
	switch v := op.Value; {
	case op.Kind == history.Share:
		return fmt.Sprintf(`{"versions":%s}`, v.Share)
	case op.Kind != history.Put:
		return ""
	case w.binds[object] != "":
		return fmt.Sprintf(`{"bind":%q,"backend":"anchor","rules":[{"type":"path","operation":"path_beg","value":%q,"backend":"anchor"}]}`, w.binds[object], v.Definition)
	default:
		return fmt.Sprintf(`{"type":"dynamic","name":"shop","versions":%s,"host":%q}`, v.Share, v.Definition)
	}
}

// document is what is read of the answer about an object.
type document struct {
	Host     string
	Versions json.RawMessage
	Rules    []struct{ Value string }
	Revision uint64
}

func (d document) value() history.Value {
	if len(d.Rules) > 0 {
		return history.Value{Definition: d.Rules[0].Value}
	}
	return history.Value{Definition: d.Host, Share: string(d.Versions)}
}

// ask sends the request once. An answer that there may not be is an error.
func (w *writers) ask(object string, req *http.Request) (history.Answer, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		w.unsent.Add(1)
		<-time.After(50 * time.Millisecond)
		return history.Answer{Outcome: history.Declined}, nil
	case err != nil:
		return history.Answer{Outcome: history.Unknown}, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return history.Answer{Outcome: history.Unknown}, nil
	}
	switch resp.StatusCode {
	case http.StatusOK:
		var doc document
		if err := json.Unmarshal(body, &doc); err != nil {
			return history.Answer{Outcome: history.Unknown}, err
		}
		if req.Method == http.MethodDelete {
			return history.Answer{Outcome: history.Done, Revision: doc.Revision}, nil
		}
		return history.Answer{Outcome: history.Done, Value: doc.value(), Revision: doc.Revision}, w.learn(object, resp.Header.Get("ETag"), doc.value())
	case http.StatusNotFound:
		if req.Method == http.MethodGet {
			return history.Answer{Outcome: history.Done}, nil
		}
		return history.Answer{Outcome: history.Missing}, nil
	case http.StatusPreconditionFailed:
		return history.Answer{Outcome: history.Changed}, nil
	case http.StatusConflict, http.StatusServiceUnavailable:
		return history.Answer{Outcome: history.Declined}, nil
	}
	return history.Answer{Outcome: history.Unknown}, fmt.Errorf("%s: %s", resp.Status, body)
}

// learn keeps the entity tag of a value. There is one for each.
func (w *writers) learn(object, tag string, v history.Value) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.tags[object]
	if known == nil {
		known = map[string]history.Value{}
		w.tags[object] = known
	}
	for t, other := range known {
		if (t == tag) != (other == v) {
			return fmt.Errorf("%s has the tag %s, and %s has %s", v, tag, other, t)
		}
	}
	known[tag] = v
	return nil
}

func (w *writers) tag(object string, v history.Value) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for tag, known := range w.tags[object] {
		if known == v {
			return tag
		}
	}
	panic("no tag of " + v.String())
}

// killings are what ends a process, with the weights that say how often.
func killings() []struct {
	name   string
	weight int
	do     func(w *writers)
} {
	return []struct {
		name   string
		weight int
		do     func(w *writers)
	}{
		{"kill the agent", 4, func(w *writers) { w.endAgent(syscall.SIGKILL) }},
		{"stop the agent", 1, func(w *writers) { w.endAgent(syscall.SIGTERM) }},
		{"kill HAProxy", 2, func(w *writers) { w.killHAProxy() }},
		{"kill Consul", 1, func(w *writers) {
			w.consul.Kill()
			w.pause(1000)
			w.consul.StartAgain()
		}},
	}
}

// kill does one of them after a while.
func (w *writers) kill(count map[string]int) {
	w.Helper()
	w.pause(1200)
	all := killings()
	at := w.rand.IntN(8)
	for _, k := range all {
		if at -= k.weight; at < 0 {
			k.do(w)
			count[k.name]++
			return
		}
	}
}

func (w *writers) pause(most int) {
	<-time.After(time.Duration(w.rand.IntN(most)) * time.Millisecond)
}

func (w *writers) endAgent(sig syscall.Signal) {
	w.n.signal(sig)
	w.record.Died()
	w.pause(200)
	w.n.start()
}

// killHAProxy kills the master, or nobody while there is none.
func (w *writers) killHAProxy() {
	if pid := w.n.haproxyPID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// finish stops the clients, waits until all is in effect, and reads every object again.
func (w *writers) finish() {
	w.Helper()
	close(w.stop)
	w.done.Wait()
	w.n.warns("")
	for _, object := range w.objects() {
		w.do(0, object, history.Operation{Kind: history.Read})
	}
}

// check finds answers that there may not be, alone and together.
func (w *writers) check(patience time.Duration) {
	w.Helper()
	if len(w.wrong) > 0 {
		w.Errorf("%d wrong answers, the first: %v", len(w.wrong), w.wrong[0])
	}
	var page bytes.Buffer
	if err := errors.Join(w.record.Check(patience, &page), w.record.CheckRevisions()); err != nil {
		path := filepath.Join(testkit.Artifacts(w), "history.html")
		w.Errorf("%v; see %s", errors.Join(err, os.WriteFile(path, page.Bytes(), 0o600)), path)
	}
	w.checkStored()
}

// checkStored compares the changes that were answered with the stored revisions.
func (w *writers) checkStored() {
	w.Helper()
	stored := map[uint64]string{}
	for before := uint64(0); before != 1; {
		var list []struct {
			Number  uint64
			Changes json.RawMessage
		}
		_, body := w.n.try(http.MethodGet, fmt.Sprintf("/revisions?limit=1000&before=%d", before), "")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			w.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, r := range list {
			stored[r.Number] = string(r.Changes)
			before = r.Number
		}
	}
	for _, c := range w.record.Changes() {
		text, isKept := stored[c.Revision]
		id := strings.Replace(strings.TrimPrefix(c.Object, "/"), "s/", "/", 1)
		if oldest := slices.Min(slices.Collect(maps.Keys(stored))); c.Revision < oldest {
			continue // dropped by its age
		}
		if !isKept || !strings.Contains(text, id) || !strings.Contains(text, c.Value.Definition) {
			w.lost++
			w.Errorf("revision %d, answered as %s of %s, is stored as %q", c.Revision, c.Value, id, text)
		}
	}
	w.Logf("%d changes answered, %d revisions kept, %d lost", len(w.record.Changes()), len(stored), w.lost)
}
