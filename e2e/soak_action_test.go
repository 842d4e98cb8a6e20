package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// A action is something that happens to a node. The weights say how often.
type action struct {
	name   string
	weight int
	do     func(s *soak)
}

// gentle actions leave the agent's and HAProxy's processes running, but for the
// workers that a reload replaces.
func gentle() []action {
	return []action{
		{"register", 30, (*soak).register},
		{"deregister", 25, (*soak).deregister},
		{"change a weight", 10, (*soak).weigh},
		{"fail a check", 10, (*soak).sicken},
		{"pass a check", 10, (*soak).heal},
		{"switch versions", 15, (*soak).change},
		{"add or remove a frontend", 6, (*soak).rebuild},
		{"reload by somebody else", 3, (*soak).reload},
		{"reload of an outdated file", 3, (*soak).reloadOutdated},
		{"meddle with a server", 4, (*soak).meddle},
		{"kill Consul", 2, (*soak).killConsul},
	}
}

// violent actions end the agent or HAProxy's worker, which takes its master along.
func violent() []action {
	return []action{
		{"kill the agent", 4, func(s *soak) { s.restart(syscall.SIGKILL) }},
		{"stop the agent", 2, func(s *soak) { s.restart(syscall.SIGTERM) }},
		{"kill HAProxy's worker", 3, (*soak).killWorker},
	}
}

// any picks one of the names; false when there is none.
func (s *soak) any(names []string) (string, bool) {
	if len(names) == 0 {
		return "", false
	}
	return names[s.rand.IntN(len(names))], true
}

// spare are instances that a version can do without: one healthy one stays.
func (s *soak) spare() []string {
	var out []string
	for name := range s.f.present {
		version, _, _ := strings.Cut(name, "-")
		if s.sick[name] || len(s.healthy(version)) > 1 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// register adds an instance; there may be ten of each version.
func (s *soak) register() {
	name := fmt.Sprintf("%d-%c", 1+s.rand.IntN(3), 'a'+rune(s.rand.IntN(10)))
	s.come(1+s.rand.IntN(3), name)
}

// come registers a healthy instance. Consul remembers over a restart only what a
// check was told after its registration.
func (s *soak) come(weight int, name string) {
	delete(s.sick, name)
	s.f.come(weight, name)
	s.f.consul.SetStatus(name, "passing")
}

func (s *soak) deregister() {
	if name, ok := s.any(s.spare()); ok {
		s.f.leave(name)
		delete(s.sick, name)
	}
}

func (s *soak) weigh() {
	if name, ok := s.any(slices.Sorted(maps.Keys(s.f.present))); ok {
		s.come(1+s.rand.IntN(10), name)
	}
}

func (s *soak) sicken() {
	if name, ok := s.any(s.spare()); ok {
		s.sick[name] = true
		s.f.consul.SetStatus(name, "critical")
	}
}

func (s *soak) heal() {
	if name, ok := s.any(slices.Sorted(maps.Keys(s.sick))); ok {
		delete(s.sick, name)
		s.f.consul.SetStatus(name, "passing")
	}
}

func (s *soak) change() {
	s.version = strconv.Itoa(1 + s.rand.IntN(3))
	s.n.deploy(s.version)
}

// rebuild adds a frontend with a backend of its own, or removes both: reloads.
func (s *soak) rebuild() {
	at := s.rand.IntN(len(s.ports))
	frontend, backend := fmt.Sprintf("/frontends/web-%d", at), fmt.Sprintf("/backends/other-%d", at)
	if s.further[at] {
		delete(s.further, at)
		s.n.call(200, http.MethodDelete, frontend, "")
		s.n.call(200, http.MethodDelete, backend, "")
		return
	}
	s.further[at] = true
	s.n.call(200, http.MethodPut, backend, `{"type":"dynamic","name":"shop","version":"2"}`)
	s.n.call(200, http.MethodPut, frontend, fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"other-%d"}`, s.ports[at], at))
}

// reloadOutdated has HAProxy read the file of some actions ago, as somebody does who
// deploys a copy of it, or reloads in the moment before the agent has written it.
func (s *soak) reloadOutdated() {
	staged := s.n.path("outdated")
	if err := errors.Join(os.WriteFile(staged, []byte(s.outdated), 0o600), os.Rename(staged, s.n.path("haproxy.cfg"))); err != nil {
		s.Fatal(err)
	}
	s.reload()
}

// reload is one by somebody else, who does not begin it while another one is under way:
// HAProxy 3.2 takes connections along then, which is none of the agent's business.
func (s *soak) reload() {
	stats, master := statsock.New(s.n.path("h.sock")), statsock.NewMaster(s.n.path("haproxy.master.sock"))
	testkit.Eventually(s, patience, func() error {
		procs, err := master.ShowProc(s.Context())
		if err != nil {
			return err
		}
		info, err := stats.ShowInfo(s.Context())
		if err == nil && (!procs.Present(info.PID) || info.Stopping) {
			err = errors.New("a reload is under way")
		}
		return err
	})
	s.signal(s.n.master(), syscall.SIGUSR2)
}

// meddle changes a server by hand and waits until that is put right. It leaves one
// in use: the agent has a second to notice.
func (s *soak) meddle() {
	s.settled()
	running, err := s.n.inUse()
	if err != nil || len(running) < 2 {
		return
	}
	line, _ := s.any(running)
	slot, _, _ := strings.Cut(line, " ")
	command := []string{"state maint", "state drain", "weight 50%"}[s.rand.IntN(3)]
	// Somebody may be reloading HAProxy, so that it is not there to be asked.
	_, _ = statsock.New(s.n.path("h.sock")).Do(s.Context(), "set server live/"+slot+" "+command)
	s.recent = append(s.recent, slot+" "+command)
	s.settled()
}

// killConsul lets it be away for a moment. When it is back it says that there is no
// instance until it has read its own log. What a check was told reaches the catalog a
// moment later, and if Consul is killed in that moment, up to half a minute later: it
// is none of the agent's business.
func (s *soak) killConsul() {
	s.agrees()
	s.f.consul.Kill()
	for range s.rand.IntN(3) {
		s.change()
	}
	<-time.After(time.Duration(s.rand.IntN(1000)) * time.Millisecond)
	s.f.consul.StartAgain()
	s.agrees()
}

// agrees waits until Consul's catalog has what was registered.
func (s *soak) agrees() {
	testkit.Eventually(s, 2*patience, func() error {
		if got, want := s.registered(), s.wanted(); !maps.Equal(got, want) {
			return fmt.Errorf("consul knows %v, expected %v", got, want)
		}
		return nil
	})
}

// registered is what Consul's catalog says of the instances: whether they are
// healthy.
func (s *soak) registered() map[string]bool {
	var entries []struct {
		Service struct{ ID string }
		Checks  []struct{ CheckID, Status string }
	}
	if err := json.Unmarshal(s.f.consul.Do(http.MethodGet, "/v1/health/service/shop", nil), &entries); err != nil {
		s.Fatal(err)
	}
	out := map[string]bool{}
	for _, e := range entries {
		out[e.Service.ID] = true
		for _, c := range e.Checks {
			if strings.HasPrefix(c.CheckID, "service:") && c.Status != "passing" {
				out[e.Service.ID] = false
			}
		}
	}
	return out
}

// wanted is what it should say.
func (s *soak) wanted() map[string]bool {
	out := map[string]bool{}
	for name := range s.f.present {
		out[name] = !s.sick[name]
	}
	return out
}

// restart ends the agent and starts it again; in between Consul changes.
func (s *soak) restart(sig syscall.Signal) {
	s.n.signal(sig)
	for range s.rand.IntN(3) {
		s.register()
		s.deregister()
	}
	s.n.start()
}

func (s *soak) killWorker() {
	info, err := statsock.New(s.n.path("h.sock")).ShowInfo(s.Context())
	if err != nil {
		return // somebody else reloads it right now
	}
	from := time.Now()
	s.signal(info.PID, syscall.SIGKILL)
	testkit.Eventually(s, patience, func() error {
		now, err := statsock.New(s.n.path("h.sock")).ShowInfo(s.Context())
		if err == nil && now.PID == info.PID {
			err = errors.New("the killed worker answers")
		}
		if err == nil {
			_, err = s.n.get()
		}
		return err
	})
	s.outages = append(s.outages, outage{from: from, answered: time.Now()})
	s.settled()
}

func (s *soak) signal(pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); err != nil {
		s.Fatal(err)
	}
}
