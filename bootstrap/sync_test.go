package bootstrap_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
)

// withoutPower is the configuration of a machine whose connections to some others get no answer.
func (w *world) withoutPower(machine int, off ...int) (cfg bootstrap.Config, hang *atomic.Int32) {
	cfg, hang = w.config(machine), new(atomic.Int32)
	cfg.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(to)
		if !slices.ContainsFunc(off, func(other int) bool { return address(other) == host }) {
			return w.dial(ctx, network, to)
		}
		hang.Add(1)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return cfg, hang
}

// After the loss of a site, the first nodes of the list answer nothing. The others find the one that
// forgets them nevertheless.
func TestSyncWithoutTheFirstNodes(t *testing.T) {
	t.Parallel()
	w := founded(t, 4, 4)
	w.stopped(t, 1)
	w.stopped(t, 2)
	cfg, hang := w.withoutPower(4, 1, 2)
	member := start(t.Context(), cfg, syncing)
	testkit.Eventually(t, time.Minute, func() error { // it looks before anybody invites
		if hang.Load() < 2 {
			return errors.New("it does not ask both")
		}
		return nil
	})
	gone := bootstrap.Forgetting{Nodes: []string{"lb1", "lb2"}, Down: true}
	mustNot(t, start(t.Context(), w.config(3), forgetOf(gone)).ends(t))
	mustNot(t, member.ends(t))
	for _, m := range []int{3, 4} {
		if nodes := w.conf(m).Nodes(); len(nodes) != 2 || nodes[0].Name != "lb3" || nodes[1].Name != "lb4" {
			t.Errorf("machine %d has %v", m, nodes)
		}
	}
}

// A node that accepts connections and says nothing keeps nobody from looking elsewhere, and the search
// ends in time.
func TestSyncEndsInTime(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 3)
	silent, err := w.listen(t.Context(), "tcp", net.JoinHostPort(address(1), "10009"))
	mustNot(t, err)
	defer silent.Close()
	cfg, _ := w.withoutPower(3, 2)
	begin := time.Now()
	err = bootstrap.Sync(t.Context(), cfg, bootstrap.Syncing{Port: bootstrap.DefaultPort, Wait: 2 * time.Second})
	isConflict(t, err, "no other node is inviting nodes")
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it has looked for %s", took)
	}
	for _, name := range []string{"node lb1: ", "node lb2: "} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not tell of %s: %v", name, err)
		}
	}
}
