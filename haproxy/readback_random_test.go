package haproxy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/statsock"
)

// optionsOf are options of default-server lines; N is a number, H an address.
const optionsOf = "ssl verify none|ssl verify none|no-ssl|port N|port N|addr H|addr H:N|agent-check agent-port N|agent-check agent-port N" +
	"|no-agent-check|agent-addr H|weight N|check-ssl verify none|no-check|send-proxy|check-send-proxy|inter 300ms|rise 1 fall 1" +
	"|backup|slowstart 1s|observe layer4|maxconn 9|source 127.0.0.1|cookie ssl|agent-send port"

// options makes some lines of options, in any order.
func (d dealer) options(more ...string) (natives []lb.RawLine) {
	choice := append(strings.Split(optionsOf, "|"), more...)
	for range d.IntN(3) {
		line := []string{"default-server"}
		for range 1 + d.IntN(3) {
			option := strings.ReplaceAll(choice[d.IntN(len(choice))], "N", strconv.Itoa(1+d.IntN(200)))
			line = append(line, strings.ReplaceAll(option, "H", fmt.Sprintf("127.0.0.%d", 1+d.IntN(9))))
		}
		natives = append(natives, lb.RawLine(strings.Join(line, " ")))
	}
	if d.IntN(3) == 0 {
		natives = append(natives, "option httpchk")
	}
	return natives
}

// variant makes an administrator's template of the default one.
func (d dealer) variant() (v variant) {
	switch d.IntN(4) {
	case 0:
		for _, line := range d.options("disabled", "enabled") {
			v.edits = append(v.edits, "    option dontlognull\n", "    option dontlognull\n    "+string(line)+"\n    enabled\n")
			break
		}
	case 1:
		options := []string{"", "check port 9", "check addr 127.0.0.5", "check ssl verify none", "agent-check agent-port 7 check"}
		v.edits = []string{" check inter", " enabled " + options[d.IntN(len(options))] + " inter"}
	}
	return v
}

// askFor makes HAProxy run other options and members. It reports whether HAProxy took
// them: it refuses some options together.
func (s *slotFixture) askFor(d dealer) bool {
	s.t.Helper()
	pools := d.deal()
	pools[2].Type = "static"
	for i := range pools {
		pools[i].Natives = d.options()
	}
	pools[2].Natives = d.options("disabled", "enabled")
	next, _ := s.next(pools...)
	rendered, v := s.render(next), d.variant()
	config := strings.NewReplacer(v.edits...).Replace(string(rendered.Bytes))
	fingerprint := fmt.Sprintf("%s%x", rendered.Fingerprint, d.Uint64())
	config = strings.Replace(config, rendered.Fingerprint, fingerprint, 1)
	_, err := s.Apply(s.t.Context(), []byte(config), fingerprint)
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok && refused.At == "check" {
		return false
	}
	if err != nil {
		s.t.Fatalf("%v, with\n%s", err, config)
	}
	s.running, s.asked, s.shown = next, v.edits, fingerprint
	return true
}

// misuse changes a server by hand in what only a reload puts right.
func (s *slotFixture) misuse(d dealer, client *statsock.Client) {
	s.t.Helper()
	servers := s.servers()
	n := d.IntN(len(servers))
	command := []string{"check-port 9", "check-addr 127.0.0.7", "agent-addr 127.0.0.7", "agent-port 8", "ssl on", "ssl off"}[d.IntN(6)]
	// HAProxy refuses some, in words without an end that a client waits for.
	_, _ = client.Do(s.t.Context(), fmt.Sprintf("set server %s/%s %s", servers[n].Backend, servers[n].Server, command))
}

// putRight does what an agent does about servers that are not as they should be.
func (s *slotFixture) putRight() {
	s.t.Helper()
	servers := s.servers()
	settled := plan.Reassign(s.running, servers)
	change := plan.Repair(settled, servers)
	rendered := s.render(settled)
	config := strings.NewReplacer(s.asked...).Replace(string(rendered.Bytes))
	config = strings.Replace(config, rendered.Fingerprint, s.shown, 1)
	var err error
	if len(change.Reload) == 0 {
		s.adjust(change.Ops...)
		err = s.Install(s.t.Context(), []byte(config))
	} else {
		_, err = s.Apply(s.t.Context(), []byte(config), "")
	}
	if err != nil {
		s.t.Fatalf("%v, with\n%s", err, config)
	}
	s.running = settled
}

// die kills HAProxy and starts it again.
func (s *slotFixture) die() {
	s.t.Helper()
	state := s.state()
	s.kill(state.MasterPID)
	s.gone(state.WorkerPID)
	if err := s.Resume(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// TestServersAreAsAFreshStartMakesThem leads HAProxy through configurations with
// options of servers, reloads, deaths, and what people do by hand. Each time its servers
// are what another HAProxy makes of the file on disk.
func TestServersAreAsAFreshStartMakesThem(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	each(t, func(fx *fixture) {
		d := dealer{rand.New(rand.NewPCG(seed, 1))}
		s := &slotFixture{fixture: fx}
		client := statsock.New(fx.cfg.StatsSocket)
		for !s.askFor(d) {
		}
		const bound = 8 * time.Second
		steps, refused := 0, 0
		for begin := time.Now(); time.Since(begin) < bound; steps++ {
			what := "asked for another configuration"
			switch d.IntN(8) {
			case 0:
				what = "killed"
				s.die()
			case 1:
				what = "reloaded by somebody"
				s.reloadBySomebody()
			case 2, 3:
				what = "changed by hand"
				s.misuse(d, client)
				s.putRight()
			default:
				if !s.askFor(d) {
					refused++
				}
			}
			fx.asFresh(fmt.Sprintf("step %d, %s", steps, what))
		}
		fx.t.Logf("%d steps, %d refused", steps, refused)
		if steps < 5 || refused > steps/2 {
			fx.t.Errorf("%d steps, %d refused", steps, refused)
		}
	})
}
