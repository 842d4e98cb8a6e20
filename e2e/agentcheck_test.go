package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// A healthAgent answers HAProxy's agent checks with its word.
type healthAgent struct {
	port int
	word atomic.Value // string
}

func newHealthAgent(tb testing.TB, word string) *healthAgent {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := &healthAgent{}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		a.port = tcp.Port
	}
	a.word.Store(word)
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(c, "%s\n", a.word.Load())
			_ = c.Close()
		}
	}()
	return a
}

// natives are raw lines with which HAProxy asks the agent about all servers of a backend.
func (a *healthAgent) natives() string {
	return fmt.Sprintf(`["default-server agent-check agent-addr 127.0.0.1 agent-port %d agent-inter 200ms"]`, a.port)
}

// awaitServers waits until all servers of a backend stand as expected, and stay so.
func (n *node) awaitServers(backend string, expected func(statsock.Server) bool) {
	n.tb.Helper()
	since := time.Time{}
	testkit.Eventually(n.tb, patience, func() error {
		servers, err := statsock.New(n.path("h.sock")).ShowServers(n.tb.Context(), backend)
		if err == nil && (len(servers) == 0 || slices.ContainsFunc(servers, func(s statsock.Server) bool { return !expected(s) })) {
			err = fmt.Errorf("servers of %s: %+v", backend, servers)
		}
		switch {
		case err != nil:
			since = time.Time{}
			return err
		case since.IsZero():
			since = time.Now()
		}
		if stands := time.Since(since); stands < 2500*time.Millisecond { // two looks of the agent, at least
			return fmt.Errorf("as expected for %s only", stands)
		}
		return nil
	})
}

// TestAgentChecksOwnWeightsAndStates: what an agent says about servers holds, and nobody
// repairs it; percentages are of a weight that has some; and no line follows the agent
// that has no member.
func TestAgentChecksOwnWeightsAndStates(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			consul := testkit.Consul(t)
			f := newFleet(t, consul)
			n := newNode(t, consul.Address(), "--hold-min", "100")
			n.haproxy = binary.Path
			n.start()
			f.come(1, "1-a", "1-b")
			agent := newHealthAgent(t, "50%")
			n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1","natives":`+agent.natives()+`}`)
			_, port, _ := strings.Cut(f.address["1-a"], ":")
			n.call(200, http.MethodPut, "/backends/fixed", `{"type":"static","members":[{"host":"127.0.0.1","port":`+port+`}],"natives":`+agent.natives()+`}`)
			n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
			for _, backend := range []string{"live", "fixed"} {
				n.awaitServers(backend, func(s statsock.Server) bool { return s.Weight == 50 && !s.Maintenance && !s.Draining })
			}
			n.answers("1-a", "1-b")
			for word, expected := range map[string]func(statsock.Server) bool{
				"drain": func(s statsock.Server) bool { return s.Draining },
				"maint": func(s statsock.Server) bool { return s.Maintenance },
			} {
				agent.word.Store(word)
				n.awaitServers("live", expected)
				agent.word.Store("ready up 50%")
				n.awaitServers("live", func(s statsock.Server) bool { return s.Weight == 50 && !s.Maintenance && !s.Draining })
			}
			f.come(1, "1-c")
			testkit.Eventually(t, patience, func() error {
				servers, err := statsock.New(n.path("h.sock")).ShowServers(t.Context(), "live")
				if err == nil && len(servers) != 3 {
					err = fmt.Errorf("%d servers", len(servers))
				}
				return err
			})
			n.awaitServers("live", func(s statsock.Server) bool { return s.Weight == 50 && s.Port > 1 })
			if _, events := n.try(http.MethodGet, "/activity?filter=serversRepaired", ""); strings.Contains(events, "serversRepaired") {
				t.Errorf("the agent's word was repaired: %s", events)
			}
			if got := fmt.Sprint(n.call(200, http.MethodGet, "/backends/live", "")["weightsBy"]); got != "agent-check" {
				t.Errorf("the backend's weights are by %q", got)
			}
		})
	}
}
