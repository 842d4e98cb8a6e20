package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

const webStat, liveStat = "stat/frontend/web", "stat/backend/live"

// metric is the sum of the samples of a metric whose labels hold all the parts.
func (n *node) metric(name string, parts ...string) (sum int) {
	n.tb.Helper()
	status, text := n.try(http.MethodGet, "/metrics", "")
	if status != http.StatusOK {
		n.tb.Fatalf("/metrics: %d %s", status, text)
	}
	for line := range strings.Lines(text) {
		sample, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		isOther := func(part string) bool { return !strings.Contains(sample, part) }
		if !strings.HasPrefix(sample, name+"{") || slices.ContainsFunc(parts, isOther) {
			continue
		}
		count, err := strconv.ParseFloat(value, 64)
		if err != nil {
			n.tb.Fatal(err)
		}
		sum += int(count)
	}
	return sum
}

// counted is how many responses of class 2xx there were, by whoever says so.
func (n *node) counted(m *mirror) map[string]int {
	n.tb.Helper()
	out := map[string]int{
		"frontend in /streams": int(m.figure("totals", webStat, "2xx")),
		"backend in /streams":  int(m.figure("totals", liveStat, "2xx")),
	}
	for kind, proxy := range map[string]string{"frontend": "web", "backend": "live", "server": "live"} {
		out[kind+" in /metrics"] = n.metric("haproxy_"+kind+"_http_responses_total", `proxy="`+proxy+`"`, `code="2xx"`)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, o := range m.topics["totals"] {
		if count, ok := o["2xx"].(float64); ok && strings.HasPrefix(id, liveStat+"/") {
			out["members in /streams"] += int(count)
		}
	}
	return out
}

// untilCounted waits until everybody has counted so many more responses than before.
func (n *node) untilCounted(m *mirror, before map[string]int, requests int) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		for who, count := range n.counted(m) {
			if got := count - before[who]; got != requests {
				return fmt.Errorf("%s: %d counted, clients got %d", who, got, requests)
			}
		}
		return nil
	})
}

// drawn are the newest values of a chart of the page, oldest first; -1: a gap.
func (p *page) drawn(id string, seconds int) []float64 {
	p.tb.Helper()
	var values []float64
	const script = "import(document.querySelector('script[type=module]').src.replace('main.js', 'live.js'))" +
		".then(m => [...m.seriesOf(%q).read('requests', %d)].map(v => Number.isNaN(v) ? -1 : v))"
	p.ask(fmt.Sprintf(script, id, seconds), &values)
	return values
}

// reloadOnce has HAProxy reload for a change that concerns no traffic.
func (n *node) reloadOnce(number int) {
	n.tb.Helper()
	n.call(200, http.MethodPut, "/backends/other", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, 1+number))
}

// TestCountersOverReloads compares what clients got during 50 reloads with what is counted:
// exactly in /metrics and in the streams, and as the area below the charts of the pages,
// which draw what the streams say of any release.
func TestCountersOverReloads(t *testing.T) {
	for i, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			n, _ := sailingWith(t, binary.Path, []string{"--reload-every", "100ms"}, "1-a", "1-b")
			var p *page
			if i == 0 {
				p = openPage(t, n, "/", look{})
			}
			m := n.since("stat", "totals")
			before := n.counted(m)
			begin, reloads := time.Now(), n.masterReloads()
			load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), Fresh: 2, KeepAlive: 2, Pause: 40 * time.Millisecond, For: 4 * time.Minute})
			for number := range 50 {
				n.reloadOnce(number)
			}
			result := load.Stop()
			if got := n.masterReloads() - reloads; got < 50 {
				t.Errorf("HAProxy counts %d reloads", got)
			}
			if result.Failed > 0 || result.Requests < 200 {
				t.Fatalf("%d of %d requests failed: %v", result.Failed, result.Requests, result.Errors)
			}
			n.untilCounted(m, before, result.Requests)
			if p == nil {
				return
			}
			seconds := int(time.Since(begin).Seconds()) + 3
			for _, id := range []string{webStat, liveStat} {
				p.drew(id, seconds, result.Requests)
			}
		})
	}
}

// drew demands that the area below a chart of the last seconds is as large as the number
// of requests, without a gap. Its values are rounded to three digits.
func (p *page) drew(id string, seconds, requests int) {
	p.tb.Helper()
	testkit.Eventually(p.tb, patience, func() error {
		sum, values := 0.0, p.drawn(id, seconds)
		for _, v := range values {
			if v < 0 {
				return fmt.Errorf("%s: the chart has a gap: %v", id, values)
			}
			sum += v
		}
		if diff := sum - float64(requests); diff > 0.05*float64(requests) || diff < -0.05*float64(requests) {
			return fmt.Errorf("%s: the chart shows %.0f requests, clients got %d: %v", id, sum, requests, values)
		}
		return nil
	})
}

// TestCountsThatNobodyKnows kills a replaced worker before its last counts are read: the
// streams and the charts have a gap, and no dip.
func TestCountsThatNobodyKnows(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			n, _ := sailingOn(t, binary.Path, "1-a", "1-b")
			p, m := openPage(t, n, "/", look{}), n.since("stat", "totals")
			load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), Fresh: 4, Pause: 20 * time.Millisecond, For: time.Minute})
			begin := time.Now()
			load.Await(400)
			request := n.beginRequest()
			info, err := statsock.New(n.path("h.sock")).ShowInfo(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n.reloadOnce(0)
			request.finish(t)
			if err := syscall.Kill(info.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			m.until(func() error {
				if rate, known := m.object("stat", webStat)["rate"]; !known || rate != nil {
					return fmt.Errorf("the rate is %v", rate)
				}
				return nil
			})
			m.until(func() error {
				if m.object("stat", webStat)["rate"] == nil {
					return errors.New("the rate is still unknown")
				}
				return nil
			})
			load.Await(load.Result().Requests + 200)
			p.drewGap(webStat, int(time.Since(begin).Seconds()))
			p.drewGap(liveStat, int(time.Since(begin).Seconds()))
			if r := load.Stop(); r.Failed > 0 {
				t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
			}
		})
	}
}

// A halfRequest is a connection whose request lacks its end.
type halfRequest struct{ net.Conn }

func (n *node) beginRequest() halfRequest {
	n.tb.Helper()
	conn, err := net.Dial("tcp", n.address())
	if err != nil {
		n.tb.Fatal(err)
	}
	n.tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n"); err != nil {
		n.tb.Fatal(err)
	}
	return halfRequest{conn}
}

// finish sends the rest and reads the begin of the answer.
func (h halfRequest) finish(tb testing.TB) {
	tb.Helper()
	if _, err := io.WriteString(h, "\r\n"); err != nil {
		tb.Fatal(err)
	}
	begin := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(h, begin); err != nil || string(begin) != "HTTP/1.1 200 OK" {
		tb.Fatalf("the answer of the replaced worker is %q, %v", begin, err)
	}
}

// drewGap demands a gap in a chart of the last seconds under an even load, and no value that
// is less than half of the others.
func (p *page) drewGap(id string, seconds int) {
	p.tb.Helper()
	values := p.drawn(id, seconds)
	known := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v < 0 })
	if len(known) == len(values) {
		p.tb.Errorf("%s: the chart has no gap: %v", id, values)
	}
	slices.Sort(known)
	median := known[len(known)/2]
	for _, v := range values[min(2, len(values)):] {
		if v >= 0 && v < median/2 {
			p.tb.Errorf("%s: the chart dips to %.1f, half of the values are above %.1f: %v", id, v, median, values)
		}
	}
}
