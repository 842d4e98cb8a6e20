package e2e_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"thalassa/cluster/failover"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/pacemaker"
)

// A row is one line of the table of `make bench-ha`.
type row struct {
	what, where string
	outages     []time.Duration
	refused     int // new connections of a patient client, in all rounds
	cut         int // its requests
	// unexplained is how long an outage was beyond the bounds of its explanation, in all rounds
	// the longest; -1: it was not asked for.
	unexplained time.Duration
}

// BenchmarkFailover prints how long clients outside are without an answer, the
// median of some rounds (ROUNDS, 5), and the load of the machine meanwhile. A
// client asks every 10 ms and gives up after half a second.
func BenchmarkFailover(b *testing.B) {
	rounds, err := strconv.Atoi(os.Getenv("ROUNDS"))
	if err != nil || rounds < 1 {
		rounds = 5
	}
	var table []row
	for range b.N {
		table = slices.Concat(benchSite(b, rounds, clone), benchSite(b, rounds, group))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "event\tcluster\tmedian\tbest\tworst\tconnections refused\trequests cut off\tnot explained")
	for _, r := range table {
		slices.Sort(r.outages)
		explained := "-"
		if r.unexplained >= 0 {
			explained = ms(r.unexplained)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.what, r.where, ms(r.outages[len(r.outages)/2]), ms(r.outages[0]), ms(r.outages[len(r.outages)-1]), r.refused, r.cut, explained)
	}
	_ = w.Flush()
	b.Logf("%d rounds, load %s\n%s", rounds, strings.TrimSpace(string(load)), text.String())
}

func ms(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

// unexplained is by how much an outage is outside of the bounds of its explanation.
func (s *clusterFixture) unexplained(b *testing.B, seen effect, since time.Time) time.Duration {
	b.Helper()
	dc, id := s.lossOf(seen.from, since)
	var e failover.Explanation
	arrived := func(p failover.Phase) bool { return p.Name == failover.PhaseAddress }
	testkit.Eventually(b, time.Minute, func() error { // results come with the status, and what others have logged some seconds later
		if err := s.past(dc, "/"+id+"/explanation", &e); err != nil {
			b.Fatal(err)
		}
		if e.Total.MaxMS < 0 || !slices.ContainsFunc(e.Phases, arrived) {
			return fmt.Errorf("it lacks %q, and notes %q", e.Missing, e.Notes)
		}
		return nil
	})
	b.Logf("an outage of %s, explained as %+v", ms(seen.outage), e.Total)
	return outside(e.Total, seen.outage)
}

// benchSite measures all events in one cluster.
func benchSite(b *testing.B, rounds int, how topology) []row {
	b.Helper()
	cfg := clusterConfig(b)
	cfg.Life = time.Hour
	// The agents share a key, so that each has the lines that a failover is explained by.
	cfg.Files["session.key"] = cluster.File{Content: []byte(rand.Text() + rand.Text()), Mode: 0o600}
	cfg.Files["tokens"] = cluster.File{Content: []byte("admin ops " + agentToken + "\n"), Mode: 0o600}
	cfg.Units["thalassa"] = `exec thalassa agent --config /run/fixture/thalassa.yaml --haproxy pacemaker --haproxy-log "" --debug ` +
		`--token-file /run/fixture/tokens --session-key-file /run/fixture/session.key`
	testkit.HAProxy(b)
	s := &clusterFixture{tb: b, cluster: cluster.Prepare(b, cfg), token: agentToken}
	defer s.cluster.End()
	s.boot(how)
	if how == clone {
		s.onAll()
	}
	events := []struct {
		what string
		do   func() effect
		// loss: a node is lost, which the agents explain.
		loss bool
	}{
		{"planned move", func() effect {
			e := s.disturb(standbyOn, s.moved)
			standbyOff(s.cluster.Node(e.from))
			return e
		}, false},
		{"HAProxy killed", func() effect { return s.disturb(func(n *cluster.Node) { n.KillProcess(b, "haproxy") }, noticed) }, false},
		{"node killed", func() effect {
			s.place(false)
			return s.disturb((*cluster.Node).Kill, s.moved)
		}, true},
		{"node killed that is the DC", func() effect {
			s.place(true)
			return s.disturb((*cluster.Node).Kill, s.moved)
		}, true},
		{"cable pulled", func() effect { return s.disturb((*cluster.Node).Unplug, s.moved) }, true},
	}
	var rows []row
	for _, event := range events {
		r := row{what: event.what, where: string(how), unexplained: -1}
		for range rounds {
			begun := time.Now()
			e := event.do()
			if event.loss {
				s.cluster.Fences(b, e.from, begun)
				r.unexplained = max(r.unexplained, s.unexplained(b, e, begun))
			}
			r.outages, r.refused, r.cut = append(r.outages, e.outage), r.refused+e.refused, r.cut+e.cut
			s.recover()
			if how == clone {
				s.onAll()
			}
			s.commands().call(0, "cleanup")
		}
		rows = append(rows, r)
	}
	if how == clone {
		rows = append(rows, s.benchRollout(rounds))
	}
	return rows
}

// place brings the address to the DC, or away from it.
func (s *clusterFixture) place(onDC bool) {
	s.tb.Helper()
	v, err := s.cluster.Any().View()
	if err != nil {
		s.tb.Fatal(err)
	}
	if (s.serving().Name == v.DC) == onDC {
		return
	}
	to := slices.IndexFunc(s.cluster.Nodes, func(n *cluster.Node) bool { return (n.Name == v.DC) == onDC })
	s.commands().call(0, "move", s.cluster.Nodes[to].Name)
	s.serving()
}

// benchRollout measures the time from the call that raises the generation until
// HAProxy has read its file on all nodes, as the command tells it.
func (s *clusterFixture) benchRollout(rounds int) row {
	r := row{what: "rollout to three nodes", where: "clone", unexplained: -1}
	for range rounds {
		s.afresh()
		client := s.cluster.Probe(cluster.Floating+":80", 10*time.Second)
		s.answered(client, 20)
		var done pacemaker.RolledOut
		out, _ := s.commands().call(0, "rollout", "-o", "json")
		decode(s.tb, out, &done)
		r.outages = append(r.outages, time.Duration(done.ReloadMs)*time.Millisecond)
		s.answered(client, 20)
		r.cut += client.Stop().Failed()
	}
	return r
}

// afresh has Pacemaker start every HAProxy whose start it has forgotten.
func (s *clusterFixture) afresh() {
	s.commands().call(0, "rollout", "--restart")
	s.onAll()
}
