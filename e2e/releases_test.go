package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/statsock"
)

// releases are the executables of HAProxy that tests of onEveryHAProxy use, by the tests'
// names.
var releases sync.Map

// onEveryHAProxy runs a test of one node with each release that is at hand, at the same
// time.
func onEveryHAProxy(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			releases.Store(t.Name(), binary.Path) // newNode takes it
			test(t)
		})
	}
}

// TestEveryHAProxy leads each release of HAProxy that is at hand through what the
// other tests look at more closely with one of them (make test-haproxys: with
// all).
func TestEveryHAProxy(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			n, f := sailingOn(t, binary.Path, "1-a", "1-b")
			f.come(1, "2-a", "2-b")
			status := n.call(200, http.MethodGet, "/status", "")
			if got := fmt.Sprint(status["haproxy"]); !strings.Contains(got, binary.Version) {
				t.Errorf("the status tells of %s", got)
			}
			load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: 2 * time.Millisecond, For: 5 * time.Minute})
			n.round(f)
			if r := load.Stop(); r.Failed > 0 {
				t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
			}
			n.survivesItsWorker(f)
		})
	}
}

// round changes members and versions at run time, reloads, and kills the agent.
func (n *node) round(f *fleet) {
	n.tb.Helper()
	n.withoutReload(func() {
		f.come(1, "1-c")
		n.settles(f, "1-a", "1-b", "1-c")
		f.leave("1-a")
		n.settles(f, "1-b", "1-c")
		for _, version := range []string{"2", "1", "2"} {
			if path := n.deploy(version); path != "runtime" {
				n.tb.Errorf("to %s the path was %s", version, path)
			}
			n.settles(f, f.names(version)...)
		}
	})
	before := n.reloads()
	n.call(200, http.MethodPut, "/backends/other", `{"type":"dynamic","name":"shop","version":"1"}`)
	n.call(200, http.MethodDelete, "/backends/other", "")
	if got := n.reloads() - before; got != 2 {
		n.tb.Errorf("%d reloads for a backend that came and went, expected 2", got)
	}
	n.settles(f, "2-a", "2-b")
	n.withoutReload(func() {
		n.signal(syscall.SIGKILL)
		f.come(1, "2-c")
		n.start()
		n.settles(f, "2-a", "2-b", "2-c")
	})
}

// restartHAProxy kills HAProxy's worker, which takes its master along, and waits until
// another one answers.
func (n *node) restartHAProxy() {
	n.tb.Helper()
	info, err := statsock.New(n.path("h.sock")).ShowInfo(n.tb.Context())
	if err != nil {
		n.tb.Fatal(err)
	}
	if err := syscall.Kill(info.PID, syscall.SIGKILL); err != nil {
		n.tb.Fatal(err)
	}
	testkit.Eventually(n.tb, patience, func() error {
		now, err := statsock.New(n.path("h.sock")).ShowInfo(n.tb.Context())
		if err == nil && now.PID == info.PID {
			err = errors.New("the killed worker answers")
		}
		return err
	})
}

// survivesItsWorker kills HAProxy's worker and looks at the members.
func (n *node) survivesItsWorker(f *fleet) {
	n.tb.Helper()
	n.restartHAProxy()
	n.settles(f, "2-a", "2-b", "2-c")
	f.leave("2-a")
	n.settles(f, "2-b", "2-c")
}

// TestFrontendAndBackendOfOneName: HAProxy 3.2 takes it with a warning; it says that
// 3.3 will not.
func TestFrontendAndBackendOfOneName(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			n, f := sailingOn(t, binary.Path, "1-a")
			n.call(200, http.MethodDelete, "/frontends/web", "")
			n.call(200, http.MethodPut, "/frontends/live", fmt.Sprintf(`{"bind":%q,"backend":"live"}`, n.address()))
			n.settles(f, "1-a")
			n.withoutReload(func() {
				f.come(1, "1-b")
				n.settles(f, "1-a", "1-b")
				f.leave("1-a")
				n.settles(f, "1-b")
			})
		})
	}
}

// onOtherPacemakers runs a test with each other release of Pacemaker that is at hand, at the same
// time. root is the root folder of its release.
func onOtherPacemakers(t *testing.T, test func(t *testing.T, root string)) {
	t.Helper()
	roots := cluster.Roots()
	if len(roots) == 0 {
		t.Skip("there is no other release of Pacemaker; tools/setup pacemakers makes one")
	}
	for _, root := range roots {
		t.Run(filepath.Base(root), func(t *testing.T) {
			t.Parallel()
			test(t, root)
		})
	}
}
