package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	testcluster "thalassa/internal/testkit/cluster"
)

// A follower reads what `cluster status -f` prints.
type follower struct {
	mu   sync.Mutex
	last cluster.Status
	seen int
}

func (f *follower) read(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v cluster.Status
		if json.Unmarshal(lines.Bytes(), &v) == nil {
			f.mu.Lock()
			f.last, f.seen = v, f.seen+1
			f.mu.Unlock()
		}
	}
}

func (f *follower) view() cluster.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// After any of Pacemaker's daemons is killed, the watcher is fresh again.
func TestWatcherIsNeverStale(t *testing.T) {
	t.Parallel()
	// Without fencing: a node whose daemon dies on a busy machine may be fenced, and
	// the watcher with it.
	s := startCommandCluster(t, testcluster.Config{NoFencing: true})
	n := s.Node("n1")
	cmd := n.Command(t.Context(), "/run/fixture/thalassa", "cluster", "status", "-f", "-o", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var f follower
	done := make(chan struct{})
	go func() { f.read(bufio.NewScanner(out)); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done; _ = cmd.Wait() })
	change := func(value string) {
		t.Helper()
		begun := time.Now()
		testkit.Eventually(t, 2*time.Minute, func() error { // the daemon may be on its way back
			_, err := s.Node("n2").Try("crm_attribute", "-N", "n2", "-n", "standby", "-v", value)
			return err
		})
		set := time.Now()
		want := map[string]string{"on": "standby", "off": "online"}[value]
		testkit.Eventually(t, 2*time.Minute, func() error {
			select {
			case <-done:
				return errors.New("the watcher has ended")
			default:
			}
			v := f.view()
			if len(v.Nodes) != 3 || v.Nodes[1].State != want || v.State == cluster.StateOffline {
				return fmt.Errorf("state %s, nodes %+v", v.State, v.Nodes)
			}
			return nil
		})
		t.Logf("changed after %s, seen %s later", set.Sub(begun).Round(time.Millisecond), time.Since(set).Round(time.Millisecond))
	}
	change("on")
	change("off")
	for _, daemon := range slices.Backward(testcluster.Daemons()) {
		t.Logf("killing %s", daemon)
		testkit.Eventually(t, 2*time.Minute, func() error { // it may not be back from the last kill
			if len(n.PIDs(daemon)) == 0 {
				return errors.New("it does not run")
			}
			return nil
		})
		n.KillProcess(t, daemon)
		s.AwaitOnline()
		change("on")
		change("off")
	}
	if stream := n.PIDs("thalassa-cib"); len(stream) > 0 { // the agent's, and the follower's
		t.Log("killing thalassa-cib")
		n.KillProcess(t, "thalassa-cib")
		change("on")
		change("off")
	}
}
