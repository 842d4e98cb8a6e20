package haproxy_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/lb"
)

// hesitant webs answer with their names after up to 10 ms, so that at any moment
// some of their connections are in use.
func hesitant(tb testing.TB, name string) lb.HostPort {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(rand.N(10 * time.Millisecond)) //nolint:gosec // not a secret
			fmt.Fprintln(w, name)
		}),
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	tb.Cleanup(func() { _ = server.Close() })
	return lb.HostPort{Host: "127.0.0.1", Port: uint16(listener.Addr().(*net.TCPAddr).Port)}
}

// TestSwitchesUnderLoad changes all members at once, again and again. No request
// fails, and none that begins afterwards reaches a member of before.
func TestSwitchesUnderLoad(t *testing.T) {
	each(t, func(fx *fixture) {
		var sets [4][]lb.HostPort // of three servers
		for i := range sets {
			for j := range 3 {
				sets[i] = append(sets[i], hesitant(fx.t, fmt.Sprintf("%d.%d", i, j)))
			}
		}
		s := fx.raise(pool("live", sets[0]...))
		load := testkit.StartLoad(fx.t, testkit.LoadConfig{Address: fx.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 4 * time.Minute})
		load.Await(50)
		const switches = 200
		took, waited, reloads, at := make([]time.Duration, 0, switches), 0, 0, 0
		for range switches {
			at = (at + 1 + rand.IntN(len(sets)-1)) % len(sets) //nolint:gosec // not a secret
			wanted, change := s.next(pool("live", sets[at]...))
			if len(change.Reload) > 0 {
				s.reload(wanted)
				reloads++
			} else {
				ops := s.ops(wanted)
				begin := time.Now()
				waited += s.patient(ops)
				took = append(took, time.Since(begin))
				s.running = wanted
			}
			over := time.Now()
			load.Await(load.Result().Requests + 60)
			result := load.Result()
			for answer, begun := range result.Begun {
				if !strings.HasPrefix(answer, fmt.Sprint(at, ".")) && begun.After(over) && len(change.Reload) == 0 {
					fx.t.Fatalf("a request that began %s after the switch to %d was answered by %s", begun.Sub(over), at, answer)
				}
			}
		}
		result := load.Stop()
		if result.Failed > 0 || len(result.Count) != 12 {
			fx.t.Errorf("%d of %d requests failed: %q; answers came from %v", result.Failed, result.Requests, result.Errors, result.Count)
		}
		if reloads > 1 || s.state().Reloads != reloads {
			fx.t.Errorf("%d reloads, expected one to grow at most; %+v", reloads, s.state())
		}
		slices.Sort(took)
		fx.t.Logf("%d switches (median %s, longest %s), %d of them had to wait for requests, %d requests",
			len(took), took[len(took)/2], took[len(took)-1], waited, result.Requests)
	})
}

// patient carries ops out as soon as no request of before stands in their way. It
// returns how often one did.
func (s *slotFixture) patient(ops []lb.ServerOp) (waits int) {
	s.t.Helper()
	testkit.Eventually(s.t, patience, func() error {
		err := s.CarryOut(s.t.Context(), ops...)
		if err != nil {
			waits = 1
			if !strings.Contains(err.Error(), "in use") {
				s.t.Fatal(err)
			}
		}
		return err
	})
	return waits
}
