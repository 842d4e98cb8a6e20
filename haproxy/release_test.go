package haproxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/statsock"
)

// TestWhatAWorkerLacksIsProbed at its start, whatever its version.
func TestWhatAWorkerLacksIsProbed(t *testing.T) {
	each(t, func(fx *fixture) {
		s := fx.raise(pool("live", well(fx.t, "a")))
		if got := fx.state().Lacks; got != "" {
			fx.t.Errorf("lacks %s", got)
		}
		tame := bytes.Replace(s.render(s.running).Bytes, []byte("level admin"), []byte("level operator"), 1)
		if _, err := fx.Apply(fx.t.Context(), tame, ""); err != nil {
			fx.t.Fatal(err)
		}
		if got := fx.state().Lacks; got != "level admin" {
			fx.t.Errorf("a socket of level operator lacks %q", got)
		}
	})
}

// TestTooManyServersAreTold: HAProxy says in words of which kind that it may not
// open as many files as its servers need, and goes on with what it ran.
func TestTooManyServersAreTold(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			limited := filepath.Join(t.TempDir(), "haproxy")
			script := "#!/bin/sh\nulimit -n 2200\nexec " + binary.Path + " \"$@\"\n"
			if err := testkit.WriteProgram(limited, []byte(script)); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, patience, func() error { // busy while a process that starts now has it open
				return exec.CommandContext(t.Context(), limited, "-v").Run()
			})
			fx := newFixture(t, limited)
			few, many := pool("live", well(t, "a")), pool("live", well(t, "a"))
			for i := range 400 {
				many.Members = append(many.Members, lb.Member{Address: lb.HostPort{Host: "127.0.0.9", Port: uint16(1000 + i)}, Weight: 1})
			}
			s := fx.raise(few)
			next, _ := s.next(many)
			_, err := fx.Apply(t.Context(), s.render(next).Bytes, "x")
			refused, ok := errors.AsType[*lb.RefusedError](err)
			if !ok || refused.At != "start" || !haproxy.LacksFiles(refused.Output) {
				t.Errorf("got %v", err)
			}
			if got := fx.answered(); got["a"] != 20 {
				t.Errorf("%v answered", got)
			}
			few.Balance = "leastconn"
			next, _ = s.next(few)
			s.reload(next)
		})
	}
}

// observed is what a release of HAProxy does, by the rows of the table in the
// documentation.
func observed(fx *fixture) map[string]string {
	word := map[bool]string{true: "yes", false: "no"}
	s := fx.raise(pool("live", well(fx.t, "a")))
	client := statsock.New(fx.cfg.StatsSocket)
	offer, err := client.Offer(fx.t.Context())
	if err != nil {
		fx.t.Fatal(err)
	}
	servers := offer.Has("set server") && offer.Has("show servers state") && offer.Has("show servers conn")
	path := "slots"
	if fx.state().Lacks != "" {
		path = "reload"
	}
	session, err := client.Begin(fx.t.Context())
	if err != nil {
		fx.t.Fatal(err)
	}
	defer session.End()
	answers, err := session.Do(fx.t.Context(), "set server live/s2 addr 127.0.0.9 port 9", "show servers state live")
	if err != nil {
		fx.t.Fatal(err)
	}
	effect := "a moment after the answer"
	if strings.Contains(answers[1], " s2 127.0.0.9 ") {
		effect = "with the answer"
	}
	testkit.Eventually(fx.t, patience, func() error {
		if got := s.server("s2").Address.Host; got != "127.0.0.9" {
			return fmt.Errorf("s2 has the address %s", got)
		}
		return nil
	})
	reply, err := statsock.NewMaster(fx.cfg.MasterSocket).Reload(fx.t.Context())
	if err != nil {
		fx.t.Fatal(err)
	}
	return map[string]string{
		"servers can be changed and read back (`set server`, `show servers state`)": word[servers],
		"connections in use are reported (`show servers conn`)":                     word[offer.Has("show servers conn")],
		"a new address takes effect":                                                effect,
		"the master reports the outcome of a reload":                                word[reply.Conclusive],
		"`wait` for a condition":                                                    word[offer.Has("wait")],
		"`add server`, `del server`":                                                word[offer.Has("add server") && offer.Has("del server")],
		"`add backend`":                                                             word[offer.Has("add backend")],
		"server option `hash-key` ([Hashing](hashing.md))":                          word[fx.HashKeys()],
		"**path** for members, weights, versions":                                   path,
	}
}

// TestReleasesAreDocumented compares the table with each HAProxy at hand.
func TestReleasesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/haproxy.md")
	if err != nil {
		t.Fatal(err)
	}
	var releases []string
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(releases) == 0 && len(cells) > 1 && cells[0] == "":
			releases = cells[1:]
		case len(releases) > 0 && len(cells) == len(releases)+1:
			rows[cells[0]] = cells[1:]
		}
	}
	each(t, func(fx *fixture) {
		version, err := fx.Version(fx.t.Context())
		if err != nil {
			fx.t.Fatal(err)
		}
		column := slices.IndexFunc(releases, func(r string) bool { return version == r || strings.HasPrefix(version, r+"-") })
		if column < 0 {
			fx.t.Skipf("%s is none of %q", version, releases)
		}
		for row, want := range observed(fx) {
			if got := rows[row]; len(got) <= column || got[column] != want {
				fx.t.Errorf("%s: it is %s, and the table says %q", row, want, got)
			}
		}
	})
}

// BenchmarkRelease measures what the table gives as costs: a switch of a hundred
// servers, a reload of two hundred and one of ten thousand server lines.
func BenchmarkRelease(b *testing.B) {
	for _, binary := range testkit.HAProxies(b) {
		b.Run(binary.Version, func(b *testing.B) {
			fx := newFixture(b, binary.Path)
			var sets [2]lb.ResolvedBackend
			for i := range sets {
				sets[i] = pool("live")
				for j := range 100 {
					address := lb.HostPort{Host: lb.Host(fmt.Sprintf("127.0.%d.%d", 1+i, 1+j)), Port: 9}
					sets[i].Members = append(sets[i].Members, lb.Member{Address: address, Weight: 1})
				}
			}
			s := fx.raise(sets[0])
			var switches, reloads, large []time.Duration
			for i := range 60 {
				wanted, _ := s.next(sets[1-i%2])
				ops := s.ops(wanted)
				begin := time.Now()
				s.adjust(ops...)
				switches, s.running = append(switches, time.Since(begin)), wanted
			}
			reload := func(pools ...lb.ResolvedBackend) time.Duration {
				wanted, _ := s.next(pools...)
				<-time.After(300 * time.Millisecond) // the master has done with the last one
				begin := time.Now()
				s.reload(wanted)
				return time.Since(begin)
			}
			many := make([]lb.ResolvedBackend, 50)
			for i := range many {
				many[i] = sets[i%2]
				many[i].Key = lb.Name(fmt.Sprintf("live-%d", i))
			}
			for i := range 10 {
				sets[0].Balance = []string{"leastconn", "random"}[i%2]
				reloads = append(reloads, reload(sets[0]))
			}
			for i := range 3 {
				many[0].Balance = []string{"leastconn", "random"}[i%2]
				large = append(large, reload(many...))
			}
			for name, took := range map[string][]time.Duration{"switch-100": switches, "reload-201": reloads, "reload-10050": large} {
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
